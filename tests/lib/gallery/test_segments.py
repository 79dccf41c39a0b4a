"""A shard is its base and its deltas: tombstones hide what came before them, and a version is its content's digest."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from sketchray.gallery import Content, Gallery, GalleryError, IndexPlan, encode_segment, place, publish, read_pointer
from sketchray.gallery.build import describe_version
from sketchray.gallery.publish import store_manifest
from sketchray.gallery.segment import embedding_matrix
from sketchray.storage import Store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]


def add_delta(gallery: Gallery, new: pa.Table, gone: list[str]) -> Gallery:
    """Publish a version of a one-shard gallery with a delta after what it has."""
    delta, objects = encode_segment(new, shard=0, plan=IndexPlan(), codebooks={}, kind="delta", tombstones=gone)
    old = gallery.manifest.content
    content = place(Content.model_validate(old.model_dump() | {"segments": (*old.segments, delta)}))
    for key, data in objects.items():
        gallery.store.write(f"versions/{content.version()}/{key}", data)
    rows = gallery.manifest.rows - len(gone) + new.num_rows
    manifest = describe_version(gallery.manifest.name, content, parent=gallery.version, source="s3://b", rows=rows)
    publish(gallery.store, store_manifest(gallery.store, manifest).version, expected=read_pointer(gallery.store))
    return Gallery(gallery.store, manifest)


def test_a_delta_replaces_removes_and_adds(make_rows: Rows, publish_rows: Publisher) -> None:
    old, fresh = make_rows(10), make_rows(3, seed=1)
    base = publish_rows(old, shards=1)
    ids = old["id"].to_pylist()
    changed = fresh.slice(0, 1).set_column(0, fresh.schema.field("id"), pa.array([ids[0]]))
    gallery = add_delta(base, pa.concat_tables([changed, fresh.slice(1)]), [ids[0], ids[1]])
    shard = gallery.shard(0)
    assert shard.rows == 10 - 2 + 3
    assert shard.thumbnail(ids[0]) == fresh["jpeg"][0].as_py()
    assert shard.thumbnail(ids[1]) is None
    hits = shard.search(embedding_matrix(fresh), 11)
    assert [answer[0].id for answer in hits] == [ids[0], *fresh["id"].to_pylist()[1:]]
    assert ids[1] not in {hit.id for hit in hits[0]}
    assert base.shard(0).rows == 10
    assert gallery.version != base.version


def test_an_id_that_lives_twice_is_refused(make_rows: Rows, publish_rows: Publisher) -> None:
    base = publish_rows(make_rows(10), shards=1)
    gallery = add_delta(base, make_rows(2), [])
    with pytest.raises(GalleryError, match="lives in two segments"):
        gallery.shard(0)


def test_a_version_is_the_digest_of_its_content(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    rows = make_rows(30)
    first = publish_rows(rows)
    shuffled = publish_rows(rows.take(list(reversed(range(30)))), "other")
    assert shuffled.version == first.version
    assert publish_rows(rows.slice(1), "third").version != first.version
    assert publish_rows(rows, "third", shards=3).version != first.version
    problem = {"uri": "s3://b/bad.png", "stage": "decode", "reason": "truncated"}
    assert publish_rows(rows, "third", problems=[problem]).version != first.version


def test_the_same_rows_published_again_change_nothing(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    publish_rows(make_rows(30))
    before = {entry.key: store.read(entry.key) for entry in store.list()}
    publish_rows(make_rows(30))
    assert {entry.key: store.read(entry.key) for entry in store.list()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: (b, a), "shards 0 to 1 in order"),
        (lambda a, b: (a,), "shards 0 to 1 in order"),
        (lambda a, b: (a, a, b), "one base segment and then deltas"),
        (lambda a, b: (a | {"kind": "delta"}, b), "one base segment and then deltas"),
        (lambda a, b: (a | {"tombstones": a["vectors"]}, b), "has tombstones"),
        (lambda a, b: (a | {"thumbnails": a["vectors"] | {"rows": 99}}, b), "unequal vectors and thumbnails"),
    ],
)
def test_segments_that_make_no_shard_are_refused(
    make_rows: Rows, publish_rows: Publisher, change: Callable[..., tuple[dict[str, object], ...]], message: str
) -> None:
    content = publish_rows(make_rows(10)).manifest.content.model_dump()
    with pytest.raises(ValueError, match=message):
        Content.model_validate(content | {"segments": change(*content["segments"])})
