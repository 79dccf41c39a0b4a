"""Updating a gallery in one process: what the listing shows, delta segments where something changed, a new version."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from sketchray.gallery.build import describe_version, encode_report
from sketchray.gallery.changes import Changes, compare, join_changes, split_changes
from sketchray.gallery.deltas import delta_of_shard, with_deltas
from sketchray.gallery.manifest import Content
from sketchray.gallery.publish import expect_current, publish_objects
from sketchray.gallery.reader import Gallery
from sketchray.gallery.sharding import rows_by_shard


class Updated(NamedTuple):
    """The gallery after an update; ``published`` is False where there was nothing to do."""

    gallery: Gallery
    published: bool


def changes_of_gallery(gallery: Gallery, listing: pa.Table) -> Changes:
    """Compare a listing with a gallery, a shard at a time.

    Args:
        gallery: a version.
        listing: as `compare` takes it, of the whole source.

    Raises:
        GalleryError: as `compare`, or an object that is not what the manifest says.
    """
    content = gallery.manifest.content
    columns = compared_columns(content)
    return join_changes(
        compare(listed, gallery.live(shard, columns=columns))
        for shard, listed in enumerate(rows_by_shard(listing, content.shards))
    )


def compared_columns(content: Content) -> list[str]:
    """Return the columns of the live rows that `compare` needs."""
    return ["id", "uri", "etag", "label", *(column.name for column in content.columns)]


def update_gallery(
    gallery: Gallery,
    changes: Changes,
    rows: pa.Table,
    *,
    problems: Sequence[Mapping[str, str]] = (),
    source: str | None = None,
) -> Updated:
    """Publish a version with some changes, in this process, a shard at a time.

    Args:
        gallery: the current version.
        changes: from `changes_of_gallery`.
        rows: of `row_schema`: the new and the changed pictures, embedded. A changed one that is missing is removed.
        problems: every picture of the source that cannot be indexed.
        source: URI of the pictures; None if it is as before.

    Raises:
        Conflict: another version is current, or another publisher was first; the message says with which version.
        GalleryError: an object of the gallery is not what the manifest says.
    """
    expected, codebooks = expect_current(gallery.store, gallery.version), gallery.codebooks()
    manifest, shards = gallery.manifest, gallery.manifest.content.shards
    report, data = encode_report(problems)
    old = manifest.content.report
    objects = {} if old is not None and old.sha256 == report.sha256 else {report.key: data}
    deltas = []
    by_shard = zip(split_changes(changes, shards), rows_by_shard(rows, shards), strict=True)
    for shard, (changed, embedded) in enumerate(by_shard):
        delta, parts = delta_of_shard(gallery, shard, rows=embedded, changes=changed, codebooks=codebooks)
        deltas.append(delta)
        objects |= parts
    plan = manifest.plan
    if source and plan:
        plan = plan.model_copy(update={"sources": (source,)})
    content = with_deltas(manifest.content, [delta.segment for delta in deltas], report=report)
    if content.version() == gallery.version:
        return Updated(gallery, False)
    described = describe_version(
        manifest.name,
        content,
        parent=gallery.version,
        source=source or manifest.source,
        rows=sum(delta.rows for delta in deltas),
        plan=plan,
    )
    return Updated(Gallery(gallery.store, publish_objects(gallery.store, described, objects, expected=expected)), True)
