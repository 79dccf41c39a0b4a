"""Readers by name: each makes the sample table of one kind of dataset; nobody else knows how it is laid out."""

import difflib
import os
from collections.abc import Callable

import pyarrow as pa
from pydantic import Field

from sketchray.config import Config
from sketchray.data.benchmark import read_benchmark
from sketchray.data.folder import SOURCES, DatasetError, Source, read_folder
from sketchray.data.held_out import hold_out
from sketchray.data.joining import join_seen
from sketchray.data.layouts import Dataset
from sketchray.data.protocols import get_protocol
from sketchray.data.protocols.apply import apply_protocol
from sketchray.data.protocols.protocol import Gallery
from sketchray.data.quickdraw import QUICKDRAW
from sketchray.data.sketchy import SKETCHY
from sketchray.data.tuberlin import TUBERLIN
from sketchray.data.unlabelled import read_unlabelled
from sketchray.storage import open_store

STARTER_ROOT = ".sketchray/data/starter"


class DataConfig(Config):
    """Where samples come from.

    Attributes:
        reader: ``folder`` (any dataset in the folder layout), ``starter`` (the built starter set), ``sketchy``,
            ``tuberlin``, ``quickdraw`` (the benchmarks, in any of the layouts in which they circulate), or
            ``unlabelled`` (pictures below ``root``, sketches below ``sketches``, for a method without labels).
        root: the dataset's folder or ``s3://bucket/prefix``; None is ``SKETCHRAY_DATA`` for ``folder`` and
            ``.sketchray/data/starter`` for ``starter``.
        sketches: for ``unlabelled``, where its sketches are.
        sources: parts of a ``folder`` or ``starter`` dataset to read, as ``[photos, strokes]``; all by default.
        protocol: the published split, as ``sketchy-25-sake``, that says which classes are unseen; it goes before a
            folder's ``split.json``. Where the split's own lists lie in the tree, they say which pictures count, and
            the sketches of seen classes that they hold out are ``val`` (unless `held_out` makes that split).
        gallery: ``listed`` as most papers have it, with Sketchy's original photos twice; ``dedup`` with each once.
        partial: read a part of a benchmark's download: classes and listed pictures that are missing are left out.
        held_out: so many of the seen classes become the split ``val``: not trained on, there to select on.
        held_out_seed: which ones.
        also: other datasets whose ``seen`` samples are trained on too, but for classes that are unseen or held out
            here; only their ``reader``, ``root`` and ``sources`` count.
        also_per_class: at most so many sketches, and photos, of each class from each of those.
    """

    reader: str = "folder"
    root: str | None = None
    sketches: str | None = None
    sources: tuple[Source, ...] = SOURCES
    protocol: str | None = None
    gallery: Gallery = "listed"
    partial: bool = False
    held_out: int = Field(default=0, ge=0)
    held_out_seed: int = 0
    also: tuple["DataConfig", ...] = ()
    also_per_class: int | None = Field(default=None, ge=1)


Reader = Callable[[DataConfig], pa.Table]


def read_samples(config: DataConfig) -> pa.Table:
    """Return the sample table (`SAMPLE_SCHEMA`, sorted by id).

    Raises:
        ValueError: unknown reader or protocol, no root, not a dataset of that kind, or not one of the protocol's
            classes; the message names it.
        StoreError: the store cannot be read.
    """
    table = get_reader(config.reader)(config)
    if config.protocol:
        protocol = get_protocol(config.protocol)
        table = apply_protocol(table, protocol, partial=config.partial, where=config.root or config.reader)
    if config.held_out:
        table = hold_out(table, config.held_out, seed=config.held_out_seed)
    if config.also:
        table = join_seen(table, [read_samples(other) for other in config.also], per_class=config.also_per_class)
    return table


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
        build = "python -m sketchray.data.starter builds it, and data.root names its place, which all nodes must reach"
        raise DatasetError(f"{store.uri}: the starter data is not there; {build}")
    return read_folder(store, config.sources)


def _read_unlabelled(config: DataConfig) -> pa.Table:
    if not config.root or not config.sketches:
        raise DatasetError("give data.root, where the pictures are, and data.sketches, where any sketches are")
    return read_unlabelled(open_store(config.root), open_store(config.sketches))


def _benchmark(dataset: Dataset) -> Reader:
    def read(config: DataConfig) -> pa.Table:
        if not config.root:
            raise DatasetError(f"no dataset named: give data.root, the folder of {dataset.title}")
        protocol = get_protocol(config.protocol) if config.protocol else None
        if protocol and protocol.dataset != dataset.name:
            raise DatasetError(f"protocol {protocol.name} is of the reader {protocol.dataset}, not {dataset.name}")
        return read_benchmark(
            open_store(config.root),
            dataset,
            protocol=protocol,
            gallery=config.gallery,
            partial=config.partial,
            hold_out_listed=not config.held_out,
        )

    return read


BENCHMARKS: dict[str, Dataset] = {dataset.name: dataset for dataset in (SKETCHY, TUBERLIN, QUICKDRAW)}
_READERS: dict[str, Reader] = {
    "folder": _read_folder,
    "starter": _read_starter,
    "unlabelled": _read_unlabelled,
    **{name: _benchmark(dataset) for name, dataset in BENCHMARKS.items()},
}
