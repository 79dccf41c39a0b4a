"""The sample table: one row a sketch or photo, the only thing that leaves a reader."""

import base64
import hashlib
import itertools
from collections.abc import Iterable
from typing import Literal, NamedTuple

import pyarrow as pa

Modality = Literal["sketch", "photo"]
Split = Literal["seen", "val", "unseen", "gallery"]

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("class_name", pa.string()),
        pa.field("split", pa.string(), nullable=False),
    ]
)


class Sample(NamedTuple):
    """One row of the table.

    Attributes:
        key: the sample's path below its dataset's root, with ``#row`` for one inside a file; the id is its digest.
        uri: where to load it from: an absolute object URI, with ``#row`` for one inside a file.
        modality: ``sketch`` or ``photo``.
        class_name: the word, with spaces; None where unlabelled.
        split: ``seen`` (may be trained on), ``val`` (seen classes set aside, to select on), ``unseen`` (tested on only)
            or ``gallery`` (unlabelled).
    """

    key: str
    uri: str
    modality: Modality
    class_name: str | None
    split: Split


def sample_id(source_key: str) -> str:
    """Return the sample's id: 16 URL-safe characters (96 bits) of the SHA-256 of its source key."""
    return base64.urlsafe_b64encode(hashlib.sha256(source_key.encode()).digest()[:12]).decode()


def sample_table(samples: Iterable[Sample]) -> pa.Table:
    """Return the table of these samples (`SAMPLE_SCHEMA`), sorted by id.

    Raises:
        ValueError: two samples have one source key.
    """
    rows = sorted((sample_id(sample.key), *sample[1:]) for sample in samples)
    for (first, uri, *_), (second, other, *_) in itertools.pairwise(rows):
        if first == second:
            raise ValueError(f"two samples have the id {first}: {uri} and {other}")
    columns = zip(*rows, strict=True) if rows else [()] * len(SAMPLE_SCHEMA)
    return pa.table([list(column) for column in columns], schema=SAMPLE_SCHEMA)


def data_fingerprint(table: pa.Table) -> str:
    """Return 16 hex digits that name this set of samples: ids, modalities, classes and splits.

    Neither the order of the rows nor where the root lies changes it, so a copy of a dataset in another folder or bucket
    has the fingerprint of the original.
    """
    columns = [table[name].to_pylist() for name in ("id", "modality", "class_name", "split")]
    hasher = hashlib.sha256()
    for row in sorted(zip(*columns, strict=True), key=repr):
        hasher.update(repr(row).encode() + b"\n")
    return hasher.hexdigest()[:16]
