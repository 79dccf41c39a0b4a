"""An update writes what changed and nothing else; a compaction ends where a build of the same pictures would."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sketchray.gallery import FitPlan, Gallery, GalleryError, GalleryPlan, IndexPlan, open_gallery, shard_of
from sketchray.gallery.changes import Changes
from sketchray.gallery.codebooks import quantisation_error
from sketchray.gallery.compact import compact_gallery, join_samples, sample_of_shard
from sketchray.gallery.deltas import delta_of_shard
from sketchray.gallery.segment import embedding_column
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.storage import Conflict, NotFound, Store, open_store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]
FIT = FitPlan(codewords=4)


def change(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def follow(gallery: Gallery, rows: pa.Table) -> Gallery:
    return update_gallery(gallery, changes_of_gallery(gallery, rows), rows_to_embed(gallery, rows)).gallery


def rows_to_embed(gallery: Gallery, rows: pa.Table) -> pa.Table:
    wanted = set(changes_of_gallery(gallery, rows).to_embed["id"].to_pylist())
    return rows.filter(pa.array([sample_id in wanted for sample_id in rows["id"].to_pylist()], pa.bool_()))


def test_an_update_without_changes_writes_nothing_and_says_so(
    make_rows: Rows, publish_rows: Publisher, store: Store
) -> None:
    rows = make_rows(10)
    gallery = publish_rows(rows, codebooks=FIT)
    before = list(store.list())
    updated = update_gallery(gallery, changes_of_gallery(gallery, rows), rows.slice(0, 0))
    assert (updated.published, updated.gallery) == (False, gallery)
    compacted = compact_gallery(gallery)
    assert (compacted.published, compacted.gallery, compacted.folded, compacted.refitted) == (False, gallery, (), ())
    assert list(store.list()) == before


def test_an_update_touches_only_the_shards_that_changed_and_refers_to_the_rest(
    make_rows: Rows, publish_rows: Publisher
) -> None:
    rows = make_rows(20)
    gallery = publish_rows(rows, shards=3, codebooks=FIT)
    wanted = rows.slice(1)
    updated = follow(gallery, wanted)
    shard = shard_of(rows["id"][0].as_py(), 3)
    old, new = gallery.manifest.content.segments, updated.manifest.content.segments
    assert [segment for segment in new if segment.kind == "base"] == list(old)
    [delta] = [segment for segment in new if segment.kind == "delta"]
    assert (delta.shard, delta.vectors.rows) == (shard, 0)
    own = {entry.key for entry in updated.store.list(f"versions/{updated.version}/")}
    assert len(own) == 6  # manifest, claim, vectors, thumbnails, tombstones, codes: the report is the parent's
    assert (updated.manifest.rows, updated.manifest.parent) == (19, gallery.version)
    compacted = compact_gallery(updated)
    assert compacted.folded == (shard,)
    others = [segment for segment in old if segment.shard != shard]
    assert [segment for segment in compacted.gallery.manifest.content.segments if segment.shard != shard] == others


def test_what_is_said_of_a_picture_changes_without_embedding_it(make_rows: Rows, publish_rows: Publisher) -> None:
    rows = make_rows(10)
    gallery = publish_rows(rows)
    wanted = change(rows, "label", ["renamed"] * 10)
    wanted = change(wanted, "embedding", [[0.0] * 8] * 10)  # nobody looks at it
    changes = changes_of_gallery(gallery, wanted)
    assert (changes.rewritten.num_rows, changes.to_embed.num_rows) == (10, 0)
    updated = update_gallery(gallery, changes, rows.slice(0, 0)).gallery
    for shard in range(2):
        live = updated.live(shard)
        assert set(live["label"].to_pylist()) == {"renamed"}
        assert live["embedding"].equals(gallery.live(shard)["embedding"])
        assert updated.thumbnails(shard).equals(gallery.thumbnails(shard))


def test_the_same_inputs_in_any_order_give_the_same_version(
    make_rows: Rows, publish_rows: Publisher, store: Store
) -> None:
    rows, more = make_rows(12), make_rows(5, seed=1)
    wanted = pa.concat_tables([rows.slice(3), more])
    shuffled = wanted.take(np.random.default_rng(0).permutation(wanted.num_rows))
    one, other = publish_rows(rows, "one", codebooks=FIT), publish_rows(rows, "other", codebooks=FIT)
    first, second = follow(one, wanted), follow(other, shuffled)
    assert first.version == second.version != one.version
    assert compact_gallery(first).gallery.version == compact_gallery(second).gallery.version


@pytest.mark.parametrize("kind", ["auto", "hnsw"])
def test_a_compacted_gallery_is_the_one_that_a_build_would_give(
    make_rows: Rows, publish_rows: Publisher, kind: Any
) -> None:
    rows, more, plan = make_rows(30), make_rows(8, seed=1), IndexPlan(kind=kind)
    gallery = publish_rows(rows, plan=plan)
    for wanted in (rows.slice(4), pa.concat_tables([rows.slice(8), more]), pa.concat_tables([rows.slice(5), more])):
        gallery = follow(gallery, wanted)
    assert len(gallery.manifest.content.segments) > 4
    assert compact_gallery(gallery, plan=plan).gallery.version == publish_rows(wanted, "fresh", plan=plan).version


def test_a_gallery_is_compacted_as_it_was_built_unless_told_otherwise(make_rows: Rows, publish_rows: Publisher) -> None:
    rows, coarse, graph = make_rows(30), IndexPlan(kind="flat-int8"), IndexPlan(kind="hnsw")
    updated = follow(publish_rows(rows, plan=coarse), rows.slice(4))
    compacted = compact_gallery(updated).gallery
    assert compacted.version == publish_rows(rows.slice(4), "fresh", plan=coarse).version
    assert compacted.version != publish_rows(rows.slice(4), "plain").version
    told = compact_gallery(follow(compacted, rows.slice(8)), plan=graph).gallery
    assert told.version == publish_rows(rows.slice(8), "graph", plan=graph).version
    for gallery, plan in ((updated, coarse), (compacted, coarse), (told, graph)):
        assert open_gallery(store_of(gallery), "g", gallery.version).manifest.plan == GalleryPlan(index=plan)
    listed = update_gallery(
        told, changes_of_gallery(told, rows.slice(9)), rows.slice(0, 0), source="s3://other"
    ).gallery
    assert listed.manifest.plan == GalleryPlan(sources=("s3://other",), index=graph)


def store_of(gallery: Gallery) -> Store:
    return open_store(gallery.store.uri.rpartition("/galleries/")[0])


def moved(rows: pa.Table, seed: int) -> pa.Table:
    """Return rows with all vectors near one direction that the gallery has not seen."""
    x_ND = np.random.default_rng(seed).normal(size=(rows.num_rows, 8)) * 0.3 + np.eye(8)[0] * 3
    embedding = embedding_column(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True))
    return rows.set_column(rows.schema.get_field_index("embedding"), rows.schema.field("embedding"), embedding)


def test_drifted_codebooks_are_fitted_again_and_every_row_is_coded_anew(
    make_rows: Rows, publish_rows: Publisher
) -> None:
    rows = moved(make_rows(60), 0)
    gallery = publish_rows(rows, shards=3, codebooks=FIT)
    strange = follow(gallery, pa.concat_tables([rows.slice(0, 10), make_rows(40, seed=2)]))
    told = compact_gallery(strange, threshold=1e9)
    assert told.refitted == ()
    assert all(measured > 1.2 for measured in told.drift.values())
    again = compact_gallery(told.gallery)  # no deltas are left: only codes and codebooks are written
    assert again.refitted == ("cluster", "manifold", "mixture")
    assert (again.folded, again.published) == ((), True)
    sample_ND = join_samples((sample_of_shard(strange, shard, 60_000) for shard in range(3)), 60_000)
    had, have = gallery.codebooks(), again.gallery.codebooks()
    for reference in gallery.manifest.content.codebooks:
        name = reference.name
        error = quantisation_error(had[name], sample_ND)
        assert told.drift[name] == pytest.approx(error / reference.error, rel=1e-5)
        assert quantisation_error(have[name], sample_ND) < error
        assert have[name].codewords == 4
    for old, new in zip(told.gallery.manifest.content.segments, again.gallery.manifest.content.segments, strict=True):
        assert old.model_copy(update={"codes": new.codes}) == new
        assert old.codes != new.codes
    assert compact_gallery(again.gallery).drift == {"cluster": 1.0, "manifold": 1.0, "mixture": 1.0}


def test_a_walk_is_fitted_again_over_as_many_codewords_as_the_rows_want_by_then(
    make_rows: Rows, publish_rows: Publisher
) -> None:
    gallery = publish_rows(make_rows(20), codebooks=FitPlan(names=("manifold",)))
    grown = follow(gallery, make_rows(64))
    again = compact_gallery(grown, threshold=0.0)
    assert again.refitted == ("manifold",)
    assert [one.codebooks()["manifold"].codewords for one in (gallery, again.gallery)] == [10, 32]


def test_codebooks_that_a_gallery_lacks_are_fitted_when_asked_for(make_rows: Rows, publish_rows: Publisher) -> None:
    gallery = publish_rows(make_rows(20))
    compacted = compact_gallery(gallery, fit=FitPlan(names=("cluster",), codewords=3))
    assert (compacted.drift, compacted.refitted) == ({}, ("cluster",))
    assert all(segment.codes is not None for segment in compacted.gallery.manifest.content.segments)
    assert compact_gallery(compacted.gallery).published is False
    few = publish_rows(make_rows(2), "few")
    assert compact_gallery(few, fit=FitPlan(codewords=3)).published is False


def test_work_on_a_version_that_is_not_current_is_refused_with_the_one_that_is(
    make_rows: Rows, publish_rows: Publisher
) -> None:
    rows = make_rows(10)
    old = publish_rows(rows)
    new = follow(old, rows.slice(1))
    changes = changes_of_gallery(old, rows.slice(2))
    with pytest.raises(Conflict, match=f"version {new.version} is current, not version {old.version}"):
        update_gallery(old, changes, rows.slice(0, 0))
    with pytest.raises(Conflict, match=f"version {new.version} is current, not version {old.version}"):
        compact_gallery(old)


def test_a_damaged_parent_stops_an_update_by_name_and_nothing_is_published(
    make_rows: Rows, publish_rows: Publisher, store: Store
) -> None:
    rows = make_rows(10)
    gallery = publish_rows(rows)
    key = gallery.manifest.content.segments[0].vectors.key
    data = gallery.store.read(key)
    gallery.store.write(key, data[:-1])
    nothing = rows.slice(0, 0)
    with pytest.raises(GalleryError, match=f"{key}: .* truncated"):
        delta_of_shard(gallery, 0, rows=nothing, changes=Changes(nothing, nothing, nothing, [], 0), codebooks={})
    gallery.store.delete(key)
    with pytest.raises(NotFound, match=key):
        changes_of_gallery(gallery, rows.slice(1))
    assert open_gallery(store, "g").version == gallery.version
