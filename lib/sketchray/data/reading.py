"""Readers by name: each makes the sample table of one kind of dataset; nobody else knows how it is laid out."""

import difflib
import os
from collections.abc import Callable

import pyarrow as pa
from pydantic import Field

from sketchray.config import Config
from sketchray.data.folder import SOURCES, DatasetError, Source, read_folder
from sketchray.data.held_out import hold_out
from sketchray.storage import open_store

STARTER_ROOT = ".sketchray/data/starter"


class DataConfig(Config):
    """Where samples come from.

    Attributes:
        reader: ``folder`` (any dataset in the folder layout) or ``starter`` (the built starter set).
        root: the dataset's folder or ``s3://bucket/prefix``; None is ``SKETCHRAY_DATA`` for ``folder`` and
            ``.sketchray/data/starter`` for ``starter``.
        sources: parts of the dataset to read, as ``[photos, strokes]``; all by default.
        held_out: so many of the seen classes become the split ``val``: not trained on, there to select on.
        held_out_seed: which ones.
    """

    reader: str = "folder"
    root: str | None = None
    sources: tuple[Source, ...] = SOURCES
    held_out: int = Field(default=0, ge=0)
    held_out_seed: int = 0


Reader = Callable[[DataConfig], pa.Table]


def read_samples(config: DataConfig) -> pa.Table:
    """Return the sample table (`SAMPLE_SCHEMA`, sorted by id).

    Raises:
        ValueError: unknown reader, no root, or not a dataset of that kind; the message names it.
        StoreError: the store cannot be read.
    """
    table = get_reader(config.reader)(config)
    return hold_out(table, config.held_out, seed=config.held_out_seed) if config.held_out else table


def list_readers() -> list[str]:
    """Return the names of all readers."""
    return sorted(_READERS)


def get_reader(name: str) -> Reader:
    """Return a reader by name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in _READERS:
        near = difflib.get_close_matches(name, _READERS, n=1)
        hint = f"; did you mean {near[0]}" if near else ""
        raise ValueError(f"no reader {name!r}{hint}? Known: {', '.join(list_readers())}")
    return _READERS[name]


def _read_folder(config: DataConfig) -> pa.Table:
    root = config.root or os.environ.get("SKETCHRAY_DATA")
    if not root:
        raise DatasetError("no dataset named: give data.root, or set SKETCHRAY_DATA to its folder")
    return read_folder(open_store(root), config.sources)


def _read_starter(config: DataConfig) -> pa.Table:
    store = open_store(config.root or STARTER_ROOT)
    if not store.exists("DONE.json"):
        raise DatasetError(f"{store.uri}: the starter data is not built; run python -m sketchray.data.starter")
    return read_folder(store, config.sources)


_READERS: dict[str, Reader] = {"folder": _read_folder, "starter": _read_starter}
