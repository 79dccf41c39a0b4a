"""Making a version: rows to segments, segments to content, content to a manifest. Every step is a pure function of its
input, so that several machines can share the work and a repeated build gives the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from sketchray.gallery.manifest import Content, EncoderRef, Manifest, ObjectRef, Segment, shard_of
from sketchray.gallery.publish import gallery_store, publish, read_pointer, store_manifest, version_key
from sketchray.gallery.reader import Gallery
from sketchray.gallery.segment import REPORT, THUMBNAILS, describe, to_parquet, vector_schema
from sketchray.storage import Store


def row_schema(dimension: int) -> pa.Schema:
    """Return the schema of rows before they are split into vectors and thumbnails: the former's and ``jpeg``."""
    return vector_schema(dimension).append(THUMBNAILS.field("jpeg"))


def rows_of_shard(rows: pa.Table, shard: int, shards: int) -> pa.Table:
    """Return those rows whose ids belong to a shard."""
    return rows.filter(pa.array([shard_of(sample_id, shards) == shard for sample_id in rows["id"].to_pylist()]))


def encode_segment(rows: pa.Table, *, shard: int) -> tuple[Segment, dict[str, bytes]]:
    """Return a base segment and the bytes of its objects by key.

    Args:
        rows: of `row_schema`, in any order; each id once.
        shard: the shard that all of them belong to.
    """
    rows = rows.sort_by("id")
    name = f"shard-{shard:04d}"
    vectors, thumbnails = to_parquet(rows.drop_columns(["jpeg"])), to_parquet(rows.select(THUMBNAILS.names))
    keys = f"{name}.vectors.parquet", f"{name}.thumbnails.parquet"
    segment = Segment(
        shard=shard,
        kind="base",
        vectors=describe(keys[0], vectors, rows.num_rows),
        thumbnails=describe(keys[1], thumbnails, rows.num_rows),
    )
    return segment, {keys[0]: vectors, keys[1]: thumbnails}


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

    segments = tuple(
        segment.model_copy(
            update={name: moved(getattr(segment, name)) for name in ("vectors", "thumbnails", "tombstones")}
        )
        for segment in content.segments
    )
    return content.model_copy(
        update={"segments": segments, "codebook": moved(content.codebook), "report": moved(content.report)}
    )


def describe_version(name: str, content: Content, *, parent: str | None, source: str) -> Manifest:
    """Return the manifest of a freshly built version, whose segments are all base segments."""
    return Manifest(
        name=name,
        version=content.version(),
        parent=parent,
        created_at=datetime.now(UTC),
        source=source,
        rows=sum(segment.vectors.rows for segment in content.segments),
        unreadable=content.report.rows if content.report else 0,
        content=content,
    )


def write_gallery(
    store: Store,
    name: str,
    rows: pa.Table,
    *,
    encoder: EncoderRef,
    source: str,
    shards: int = 1,
    problems: Sequence[Mapping[str, str]] = (),
) -> Gallery:
    """Build and publish a gallery whose rows fit into memory, in this process.

    Args:
        store: where the galleries are.
        name: the gallery.
        rows: of `row_schema`.
        encoder: what made the embeddings.
        source: URI of the pictures.
        shards: how many.
        problems: pictures that could not be read.

    Raises:
        Conflict: another publisher was first.
        GalleryError: not a gallery name.
    """
    gallery = gallery_store(store, name)
    expected = read_pointer(gallery)
    report, data = encode_report(problems)
    objects, segments = {report.key: data}, []
    for shard in range(shards):
        segment, parts = encode_segment(rows_of_shard(rows, shard, shards), shard=shard)
        segments.append(segment)
        objects.update(parts)
    dimension = rows.schema.field("embedding").type.list_size
    content = place(
        Content(encoder=encoder, dimension=dimension, shards=shards, segments=tuple(segments), report=report)
    )
    for key, data in objects.items():
        gallery.write(version_key(content.version(), key), data)
    parent = expected.version if expected else None
    manifest = store_manifest(gallery, describe_version(name, content, parent=parent, source=source))
    publish(gallery, manifest.version, expected=expected)
    return Gallery(gallery, manifest)
