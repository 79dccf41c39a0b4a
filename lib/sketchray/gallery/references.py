"""What a manifest refers to: objects with their hashes, the segments and codebooks made of them, metadata columns."""

from typing import Literal, Self

from pydantic import Field, model_validator

from sketchray.config import Config

CodebookName = Literal["cluster", "mixture", "manifold"]
"""The rankings that a codebook serves."""
RESERVED = frozenset({"id", "uri", "etag", "label", "embedding", "jpeg"})


class ObjectRef(Config):
    """One immutable object: where it is, and how to know it before parsing a byte.

    Attributes:
        key: relative to the gallery.
        size: bytes.
        sha256: of the bytes, hexadecimal.
        rows: rows of its Parquet table.
    """

    key: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"[0-9a-f]{64}")
    rows: int = Field(ge=0)


class Segment(Config):
    """Some rows of one shard.

    A shard is its base segment and the delta segments after it, in the manifest's order. A delta's tombstones are ids
    that go from everything before it; a changed picture is a tombstone and a new row.

    Attributes:
        shard: which shard.
        kind: base (the first of each shard) or delta.
        vectors: id, uri, etag, label, metadata columns and embedding, sorted by id.
        thumbnails: id and small JPEG, the same ids in the same order.
        tombstones: ids, of a delta only.
        index: a serialised faiss index over the vectors in the order of their rows; None where the vectors themselves
            are searched, exactly.
        codes: the vectors' codes, a column a codebook, rows as in the vectors.
    """

    shard: int = Field(ge=0)
    kind: Literal["base", "delta"]
    vectors: ObjectRef
    thumbnails: ObjectRef
    tombstones: ObjectRef | None = None
    index: ObjectRef | None = None
    codes: ObjectRef | None = None


class Column(Config):
    """A metadata column of the vectors: null where a picture has none.

    Attributes:
        name: none of the format's own.
        type: ``timestamp`` is in microseconds, UTC.
    """

    name: str = Field(min_length=1)
    type: Literal["string", "int64", "float64", "bool", "timestamp"]

    @model_validator(mode="after")
    def _free(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"{self.name!r} is a column of the format itself, as are {', '.join(sorted(RESERVED))}")
        return self


class CodebookRef(Config):
    """A codebook of the whole gallery, by which every segment is coded.

    Attributes:
        name: the ranking that it serves.
        object: the codebook, safetensors.
        error: mean quantisation error of the rows that it was fitted to; see `codebooks.quantisation_error`.
        drift: how much larger the error of this version's rows is; 1 as fitted.
    """

    name: CodebookName
    object: ObjectRef
    error: float = Field(ge=0)
    drift: float = Field(default=1.0, ge=0)


class EncoderRef(Config):
    """The encoder that made the embeddings: where it can be loaded from, and its fingerprint."""

    uri: str
    fingerprint: str
