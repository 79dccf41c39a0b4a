"""What is published is found: the same answers from any number of shards, and nothing from a damaged one."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sketchray.gallery import Gallery, GalleryError, merge, open_gallery, shard_of
from sketchray.gallery.segment import embedding_matrix
from sketchray.storage import Store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]


def slow_search(rows: pa.Table, query_D: np.ndarray, k: int) -> list[str]:
    score_N = embedding_matrix(rows).astype(np.float64) @ query_D.astype(np.float64)
    ids = rows["id"].to_pylist()
    return sorted(ids, key=lambda sample_id: (-score_N[ids.index(sample_id)], sample_id))[:k]


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_shards_together_answer_as_the_whole(
    make_rows: Rows, publish_rows: Publisher, store: Store, shards: int
) -> None:
    rows = make_rows(60)
    publish_rows(rows, shards=shards)
    gallery = pickle.loads(pickle.dumps(open_gallery(store, "g")))
    parts = [gallery.shard(i) for i in range(shards)]
    assert sum(part.rows for part in parts) == gallery.manifest.rows == 60
    query_BD = embedding_matrix(make_rows(4, seed=1))
    answers = [part.search(query_BD, 10) for part in parts]
    uri, label = (dict(zip(rows["id"].to_pylist(), rows[name].to_pylist(), strict=True)) for name in ("uri", "label"))
    for b, query_D in enumerate(query_BD):
        hits = merge([answer[b] for answer in answers], 10)
        assert [hit.id for hit in hits] == slow_search(rows, query_D, 10)
        assert all((hit.uri, hit.label) == (uri[hit.id], label[hit.id]) for hit in hits)


def test_a_thumbnail_is_in_its_own_shard_only(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    rows = make_rows(20)
    gallery = publish_rows(rows, shards=3)
    shards = [gallery.shard(i) for i in range(3)]
    for sample_id, jpeg in zip(rows["id"].to_pylist(), rows["jpeg"].to_pylist(), strict=True):
        found = [shard.thumbnail(sample_id) for shard in shards]
        assert found == [jpeg if i == shard_of(sample_id, 3) else None for i in range(3)]
    assert shards[0].thumbnail("unknown") is None


def test_an_empty_shard_answers_nothing(make_rows: Rows, publish_rows: Publisher) -> None:
    gallery = publish_rows(make_rows(1), shards=4)
    query_BD = embedding_matrix(make_rows(2, seed=1))
    assert sorted(len(gallery.shard(i).search(query_BD, 3)[1]) for i in range(4)) == [0, 0, 0, 1]


def test_the_shard_of_an_id_never_changes() -> None:
    assert [shard_of(sample_id, 7) for sample_id in ("", "a", "b", "ÄÖ", "x" * 100)] == [1, 4, 0, 6, 3]
    counts = np.bincount([shard_of(str(i), 4) for i in range(4000)])
    assert counts.min() > 900


def test_another_encoder_is_refused(make_rows: Rows, publish_rows: Publisher) -> None:
    gallery = publish_rows(make_rows(3))
    gallery.check_encoder("0123456789abcdef")
    with pytest.raises(GalleryError, match=r"frozen:made@32 .* query encoder is other"):
        gallery.check_encoder("other")


def test_an_altered_manifest_is_refused(make_rows: Rows, publish_rows: Publisher, store: Store, tmp_path: Path) -> None:
    gallery = publish_rows(make_rows(10))
    key = f"versions/{gallery.version}/manifest.json"
    document = json.loads(gallery.store.read(key))
    document["rows"] = 11
    gallery.store.write(key, json.dumps(document).encode())
    with pytest.raises(GalleryError, match=r"manifest\.json: its SHA-256"):
        open_gallery(store, "g")
    document["content"]["dimension"] = 9
    gallery.store.write(key, json.dumps(document).encode())
    with pytest.raises(GalleryError, match="not the digest of the content"):
        open_gallery(store, "g", gallery.version)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not json", "not a gallery manifest"),
        (b"[1]", "not a gallery manifest"),
        (b'{"format_version": 2}', "format version 2; this program reads up to 1"),
        (b"{}", "not a gallery manifest"),
    ],
)
def test_an_unknown_manifest_is_explained(
    make_rows: Rows, publish_rows: Publisher, store: Store, data: bytes, message: str
) -> None:
    gallery = publish_rows(make_rows(3))
    gallery.store.write(f"versions/{gallery.version}/manifest.json", data)
    with pytest.raises(GalleryError, match=message):
        open_gallery(store, "g", gallery.version)


def test_what_is_not_there_is_said(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    with pytest.raises(GalleryError, match="there are: none"):
        open_gallery(store, "g")
    gallery = publish_rows(make_rows(3))
    with pytest.raises(GalleryError, match="there are: g"):
        open_gallery(store, "h")
    with pytest.raises(GalleryError, match="no version 123"):
        open_gallery(store, "g", "123")
    with pytest.raises(GalleryError, match="no shard 2, only 0 to 1"):
        gallery.shard(2)
    with pytest.raises(GalleryError, match="no gallery name"):
        open_gallery(store, "../g")
    gallery.store.write("CURRENT", b"{}")
    with pytest.raises(GalleryError, match="CURRENT: not a pointer"):
        open_gallery(store, "g")
