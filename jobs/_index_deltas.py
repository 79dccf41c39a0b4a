"""The deltas of an update: one task a shard compares it with the listing, one makes its delta where it has changed."""

import json

import pyarrow as pa

from jobs._index_changes import ChangesByShard
from jobs._index_config import IndexResources
from jobs._index_division import Division
from jobs._index_tasks import run_tasks
from jobs._index_work import Work
from sketchray.gallery import Gallery, Segment
from sketchray.gallery.build import row_schema
from sketchray.gallery.changes import Changes, compare
from sketchray.gallery.deltas import Delta, delta_of_shard
from sketchray.gallery.pile import Pile
from sketchray.gallery.update import compared_columns


def compare_shards(gallery: Gallery, pictures: Pile, resources: IndexResources) -> ChangesByShard:
    """Compare the listing with the live rows.

    Args:
        gallery: the version to update.
        pictures: the listing by shard.
        resources: what it may take of the cluster.
    """
    shards = gallery.manifest.content.shards
    changes, items = ChangesByShard(shards), ((shard, pictures.rows_of(shard)) for shard in range(shards))
    for shard, changed in run_tasks(compare_step, items, resources, gallery=gallery):
        changes.add(shard, changed)
    return changes


def compare_step(item: tuple[int, pa.Table], *, gallery: Gallery) -> tuple[int, Changes]:
    """Compare one shard with its part of the listing."""
    shard, listed = item
    live = gallery.live(shard, columns=compared_columns(gallery.manifest.content))
    return shard, compare(listed, live)


def make_deltas(
    work: Work, gallery: Gallery, division: Division, changes: ChangesByShard, resources: IndexResources
) -> list[Delta]:
    """Make the delta of every shard that has changed.

    Args:
        work: the run's, with all parts finished.
        gallery: the version to update.
        division: the parts that were embedded.
        changes: of every shard.
        resources: what it may take of the cluster.

    Returns:
        A delta for each shard, in any order; without a segment where the shard stays as it is.
    """
    same = [Delta(None, changes.kept[shard]) for shard in range(division.shards) if changes.none(shard)]
    changed = (shard for shard in range(division.shards) if not changes.none(shard))
    items = ((shard, division.of_shard(shard), changes.of(shard)) for shard in changed)
    return same + list(run_tasks(delta_step, items, resources, work=work, gallery=gallery))


def delta_step(item: tuple[int, range, Changes], *, work: Work, gallery: Gallery) -> Delta:
    """Make one shard's delta of its parts and of what needs no embedding, unless it is kept."""
    shard, parts, changes = item
    step = f"delta-{shard:04d}"
    if said := work.recall(step):
        known = json.loads(said)
        return Delta(known["segment"] and Segment.model_validate(known["segment"]), known["rows"])
    content = gallery.manifest.content
    rows = work.parts.read(parts, row_schema(content.dimension, content.columns))
    delta, objects = delta_of_shard(gallery, shard, rows=rows, changes=changes, codebooks=gallery.codebooks())
    segment = delta.segment.model_dump(mode="json") if delta.segment else None
    work.keep(step, json.dumps({"segment": segment, "rows": delta.rows}).encode(), objects)
    return delta
