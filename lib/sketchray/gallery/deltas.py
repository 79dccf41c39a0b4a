"""Delta segments: what an update does to one shard, and the version's content with the deltas of all shards."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.build import encode_segment, place, row_schema
from sketchray.gallery.changes import Changes
from sketchray.gallery.codebooks import Codebooks
from sketchray.gallery.manifest import Content, GalleryError, ObjectRef, Segment
from sketchray.gallery.plan import IndexPlan
from sketchray.gallery.reader import Gallery
from sketchray.gallery.segment import THUMBNAILS


class Delta(NamedTuple):
    """What an update does to one shard.

    Attributes:
        segment: the new delta segment; None where nothing changed.
        rows: rows of the shard that can be found after it.
    """

    segment: Segment | None
    rows: int


def delta_of_shard(
    gallery: Gallery, shard: int, *, rows: pa.Table, changes: Changes, codebooks: Codebooks
) -> tuple[Delta, dict[str, bytes]]:
    """Make one shard's delta segment: a function of its arguments, in whatever order the rows come.

    Args:
        gallery: the version to update.
        shard: which shard of it; rows and ids of other shards are an error of the caller's.
        rows: of `row_schema`, embedded: the new and the changed pictures. A changed one that is missing could not be
            read, and is removed.
        changes: the shard's. Where a row is rewritten the embedding and thumbnail that the shard has are taken.
        codebooks: the gallery's, which code the new rows.

    Returns:
        The delta, and the bytes of its objects by key.

    Raises:
        GalleryError: an object of the shard is not what the manifest says.
    """
    live = gallery.live(shard, columns=["id"])["id"]
    if changes.rewritten.num_rows:
        rows = pa.concat_tables([rows, _rewrite(gallery, shard, changes.rewritten)])
    replaced = pa.array([*changes.gone, *changes.changed["id"].to_pylist(), *rows["id"].to_pylist()], pa.string())
    tombstones = live.filter(pc.is_in(live, value_set=replaced)).to_pylist()
    if not tombstones and not rows.num_rows:
        return Delta(None, len(live)), {}
    # A delta is searched exactly whatever the plan says.
    segment, objects = encode_segment(
        rows, shard=shard, plan=IndexPlan(), codebooks=codebooks, kind="delta", tombstones=tombstones
    )
    return Delta(segment, len(live) - len(tombstones) + rows.num_rows), objects


def with_deltas(content: Content, deltas: Iterable[Segment | None], *, report: ObjectRef | None) -> Content:
    """Return a version's content with deltas after the segments of their shards, and new objects in their place.

    Args:
        content: of the version to update.
        deltas: of any shards, in any order; None is nothing.
        report: of the pictures that cannot be indexed now; None keeps the old one.

    Returns:
        The content, of the same version as before where nothing changed.
    """
    added = [delta for delta in deltas if delta is not None]
    segments = sorted((*content.segments, *added), key=lambda segment: segment.shard)  # stable: deltas come last
    if report is None or (content.report is not None and content.report.sha256 == report.sha256):
        report = content.report
    changed = {"segments": segments, "report": report}
    return place(Content.model_validate(dict(content) | changed))


def rows_with_pictures(gallery: Gallery, shard: int) -> pa.Table:
    """Return the rows of a shard that can be found, of `row_schema`, sorted by id.

    Raises:
        GalleryError: an object of the shard is not what the manifest says.
    """
    rows, pictures = gallery.live(shard), gallery.thumbnails(shard)
    if not rows["id"].equals(pictures["id"]):
        raise GalleryError(f"{gallery.store.uri}: the thumbnails of shard {shard} are not the vectors' ids")
    return rows.append_column(THUMBNAILS.field("jpeg"), pictures["jpeg"])


def _rewrite(gallery: Gallery, shard: int, rewritten: pa.Table) -> pa.Table:
    """Return rewritten rows of a listing with the embeddings and thumbnails that the shard has."""
    rows = rows_with_pictures(gallery, shard)
    places = pc.index_in(rewritten["id"], value_set=rows["id"].combine_chunks())
    assert not places.null_count, "a rewritten row is in the gallery"
    rows, kept = rows.take(places), ("embedding", "jpeg")
    schema = row_schema(gallery.manifest.content.dimension, gallery.manifest.content.columns)
    return pa.table([(rows if name in kept else rewritten)[name] for name in schema.names], schema=schema)
