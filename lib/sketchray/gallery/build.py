"""Making a version: rows to segments, segments to content, content to a manifest. Every step is a pure function of its
input, so that several machines can share the work and a repeated build gives the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from sketchray.gallery.codebooks import Codebooks, encode_rows
from sketchray.gallery.index import build_index, plan_index
from sketchray.gallery.manifest import Column, Content, Manifest, ObjectRef, Segment
from sketchray.gallery.plan import GalleryPlan, IndexPlan
from sketchray.gallery.publish import version_key
from sketchray.gallery.segment import (
    REPORT,
    THUMBNAILS,
    TOMBSTONES,
    describe,
    embedding_matrix,
    short_hash,
    to_parquet,
    vector_schema,
)

DEFAULT_PLAN = IndexPlan()


def row_schema(dimension: int, columns: Sequence[Column] = ()) -> pa.Schema:
    """Return the schema of rows before they are split into vectors and thumbnails: the former's and ``jpeg``."""
    return vector_schema(dimension, columns).append(THUMBNAILS.field("jpeg"))


def encode_segment(
    rows: pa.Table,
    *,
    shard: int,
    plan: IndexPlan,
    codebooks: Codebooks,
    kind: Literal["base", "delta"] = "base",
    tombstones: Sequence[str] = (),
) -> tuple[Segment, dict[str, bytes]]:
    """Return a segment and the bytes of its objects by key; a key has its content's hash in it.

    Args:
        rows: of `row_schema`, in any order; each id once.
        shard: the shard that all of them belong to.
        plan: the index of a base segment. A delta is searched exactly: it is small, and gone after compaction.
        codebooks: the gallery's; every segment is coded by all of them.
        kind: base or delta.
        tombstones: ids that a delta takes from everything before it.

    Raises:
        GalleryError: faiss cannot build the index.
    """
    assert kind == "delta" or not tombstones, "a base segment has nothing before it"
    rows = rows.sort_by("id")
    vectors, embedding_ND = rows.drop_columns(["jpeg"]), embedding_matrix(rows)
    objects: dict[str, bytes] = {}

    def keep(item: str, suffix: str, data: bytes, count: int) -> ObjectRef:
        key = f"shard-{shard:04d}.{short_hash(data)}.{item}.{suffix}"
        objects[key] = data
        return describe(key, data, count)

    def keep_table(item: str, table: pa.Table) -> ObjectRef:
        return keep(item, "parquet", to_parquet(table), table.num_rows)

    factory = plan_index(plan, rows.num_rows, embedding_ND.shape[1]) if kind == "base" else None
    gone = pa.table([sorted(set(tombstones))], schema=TOMBSTONES)
    segment = Segment(
        shard=shard,
        kind=kind,
        vectors=keep_table("vectors", vectors),
        thumbnails=keep_table("thumbnails", rows.select(THUMBNAILS.names)),
        tombstones=keep_table("tombstones", gone) if gone.num_rows else None,
        index=keep("index", "faiss", build_index(embedding_ND, factory), rows.num_rows) if factory else None,
        codes=keep_table("codes", encode_rows(codebooks, embedding_ND)) if codebooks else None,
    )
    return segment, objects


def encode_report(problems: Iterable[Mapping[str, str]]) -> tuple[ObjectRef, bytes]:
    """Return the report of pictures that could not be indexed: ``uri``, ``stage`` and ``reason`` of each, by uri."""
    rows = sorted(problems, key=lambda row: (row["uri"], row["stage"]))
    data = to_parquet(pa.Table.from_pylist(rows, schema=REPORT))
    return describe("report.parquet", data, len(rows)), data


def place(content: Content) -> Content:
    """Return the content with its new objects (their keys have no folder yet) under the version's own prefix."""
    version = content.version()

    def moved(reference: ObjectRef | None) -> ObjectRef | None:
        if reference is None or "/" in reference.key:
            return reference
        return reference.model_copy(update={"key": version_key(version, reference.key)})

    parts = ("vectors", "thumbnails", "tombstones", "index", "codes")
    segments = tuple(
        segment.model_copy(update={name: moved(getattr(segment, name)) for name in parts})
        for segment in content.segments
    )
    codebooks = tuple(book.model_copy(update={"object": moved(book.object)}) for book in content.codebooks)
    return content.model_copy(update={"segments": segments, "codebooks": codebooks, "report": moved(content.report)})


def describe_version(
    name: str, content: Content, *, parent: str | None, source: str, rows: int, plan: GalleryPlan | None = None
) -> Manifest:
    """Return the manifest of a version made now.

    Args:
        name: the gallery.
        content: placed, see `place`.
        parent: the version that was current before.
        source: URI of the pictures.
        rows: pictures that can be found: those of the segments without what tombstones took.
        plan: how it was made; None where that is not known.
    """
    return Manifest(
        name=name,
        version=content.version(),
        parent=parent,
        created_at=datetime.now(UTC),
        source=source,
        rows=rows,
        plan=plan,
        unreadable=content.report.rows if content.report else 0,
        content=content,
    )
