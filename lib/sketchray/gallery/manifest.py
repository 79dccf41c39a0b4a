"""The manifest: what one immutable version of a gallery consists of.

Objects lie under ``galleries/<name>/``; every key in a manifest is relative to that. A version is a digest of the
content: of the encoder, the metric and the hashes of all objects, but not of where or when it was made.

tests/lib/gallery/golden holds galleries of format version 1. A change that keeps one of them from opening needs a new
format version, golden galleries of its own, and a reader that still opens these.
"""

import hashlib
import itertools
import re
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import from_json

from sketchray.config import Config, digest
from sketchray.gallery.plan import GalleryPlan
from sketchray.gallery.references import RESERVED, CodebookRef, Column, EncoderRef, ObjectRef, Segment

__all__ = [
    "FORMAT_VERSION",
    "RESERVED",
    "CodebookRef",
    "Column",
    "Content",
    "EncoderRef",
    "GalleryError",
    "Manifest",
    "ObjectRef",
    "Segment",
    "check_name",
    "shard_of",
]

FORMAT_VERSION = 1
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class GalleryError(ValueError):
    """A gallery that cannot be opened, built or asked; the message names it and what is wrong."""


class Content(Config):
    """What the version is a digest of.

    Attributes:
        encoder: the encoder of all embeddings.
        dimension: numbers in an embedding.
        metric: cosine, of unit vectors.
        shards: how many shards `shard_of` spreads the ids over.
        segments: by shard; in a shard the base first, then the deltas as they came.
        columns: metadata columns of every vectors object, in their order.
        codebooks: by name; none where the gallery has too few rows for one.
        report: uri, stage and reason of every picture that could not be indexed.
    """

    encoder: EncoderRef
    dimension: int = Field(ge=1)
    metric: Literal["cosine"] = "cosine"
    shards: int = Field(ge=1)
    segments: tuple[Segment, ...]
    columns: tuple[Column, ...] = ()
    codebooks: tuple[CodebookRef, ...] = ()
    report: ObjectRef | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        shards = [segment.shard for segment in self.segments]
        groups = itertools.groupby(self.segments, key=lambda segment: segment.shard)
        first = [next(group) for _, group in groups]
        if shards != sorted(shards) or [segment.shard for segment in first] != list(range(self.shards)):
            raise ValueError(f"segments are not those of shards 0 to {self.shards - 1} in order")
        for segment in self.segments:
            if (segment.kind == "base") != any(segment is base for base in first):
                raise ValueError(f"shard {segment.shard} is not one base segment and then deltas")
            if segment.kind == "base" and segment.tombstones is not None:
                raise ValueError(f"the base segment of shard {segment.shard} has tombstones")
            if segment.vectors.rows != segment.thumbnails.rows:
                raise ValueError(f"shard {segment.shard} has a segment of unequal vectors and thumbnails")
            if segment.index is not None and segment.vectors.rows != segment.index.rows:
                raise ValueError(f"shard {segment.shard} has a segment of unequal vectors and index")
        return self

    @model_validator(mode="after")
    def _coded(self) -> Self:
        for what, names in (("column", self.columns), ("codebook", self.codebooks)):
            if len({item.name for item in names}) != len(names):
                raise ValueError(f"a {what} is named twice")
        for segment in self.segments:
            if (segment.codes is not None) != bool(self.codebooks):
                raise ValueError(f"shard {segment.shard} has a segment whose codes are not those of the codebooks")
            if segment.codes is not None and segment.codes.rows != segment.vectors.rows:
                raise ValueError(f"shard {segment.shard} has a segment of unequal vectors and codes")
        return self

    def version(self) -> str:
        """Return the digest, 16 hex digits.

        Keys do not count: they contain the version. Nor does a field at its default, so that one that is added later
        leaves the versions that were published before what they are.
        """
        content = self.model_dump(mode="json", exclude_defaults=True)
        return digest({"format_version": FORMAT_VERSION, "content": _without_keys(content)})


class Manifest(Config):
    """One version of a gallery.

    Attributes:
        format_version: 1.
        name: the gallery.
        version: digest of the content.
        parent: the version that was current when this one was made.
        created_at: UTC.
        source: URI of the pictures.
        rows: pictures that can be found.
        unreadable: pictures that the report names.
        plan: how it was made, for those who go on with it; None where a manifest is from before this was kept.
        content: everything a search depends on.
    """

    format_version: Literal[1] = 1
    name: str
    version: str
    parent: str | None
    created_at: datetime
    source: str
    rows: int = Field(ge=0)
    unreadable: int = Field(ge=0)
    plan: GalleryPlan | None = None
    content: Content

    @model_validator(mode="after")
    def _is_digest(self) -> Self:
        if self.version != self.content.version():
            raise ValueError(f"version {self.version} is not the digest of the content, {self.content.version()}")
        return self

    @property
    def encoder(self) -> EncoderRef:
        """The encoder of all embeddings, which queries must use too."""
        return self.content.encoder

    def to_bytes(self) -> bytes:
        """Return the JSON document that is stored."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str) -> Self:
        """Read a stored manifest.

        Raises:
            GalleryError: not a manifest, or of a format version that this program does not know.
        """
        try:
            document = from_json(data)
            found = document.get("format_version") if isinstance(document, dict) else None
            if isinstance(found, int) and found > FORMAT_VERSION:
                raise GalleryError(f"{where}: format version {found}; this program reads up to {FORMAT_VERSION}")
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise GalleryError(f"{where}: not a gallery manifest ({place}: {first['msg']})") from error
        except GalleryError:
            raise
        except ValueError as error:
            raise GalleryError(f"{where}: not a gallery manifest ({error})") from error


def check_name(name: str) -> str:
    """Return a gallery's name if it is one: lower-case letters, digits, ``.``, ``_`` and ``-``, at most 63."""
    if not NAME.fullmatch(name):
        raise GalleryError(f"{name!r} is no gallery name: lower-case letters, digits, '.', '_' and '-', at most 63")
    return name


def shard_of(sample_id: str, shards: int) -> int:
    """Return the shard of an id: SHA-256, so the same on every machine and in every version."""
    return int.from_bytes(hashlib.sha256(sample_id.encode()).digest()[:8]) % shards


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_keys(part) for name, part in value.items() if name != "key"}
    return [_without_keys(part) for part in value] if isinstance(value, list) else value
