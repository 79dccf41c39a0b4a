"""Publishing is one compare-and-swap: of many publishers exactly one wins, and a failed one leaves the old version."""

import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from sketchray.gallery import (
    EncoderRef,
    Gallery,
    GalleryError,
    list_galleries,
    open_gallery,
    publish,
    read_pointer,
    store_manifest,
    write_gallery,
)
from sketchray.gallery.publish import expect_current, gallery_store, roll_back
from sketchray.storage import Conflict, NoSpace, Store, open_store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]
ENCODER = EncoderRef(uri="frozen:made@32", fingerprint="0123456789abcdef")


@pytest.mark.parametrize("backend", ["folder", pytest.param("s3", marks=pytest.mark.slow)])
@pytest.mark.parametrize("first", [True, False])
def test_exactly_one_of_many_publishers_wins(
    make_rows: Rows, request: pytest.FixtureRequest, tmp_path: Path, backend: str, first: bool
) -> None:
    store = open_store(request.getfixturevalue("s3_store_uri") if backend == "s3" else str(tmp_path))
    drafts = [
        write_gallery(store, f"draft-{i}", make_rows(4, seed=i + 1), encoder=ENCODER, source="s3://b") for i in range(6)
    ]
    if not first:
        write_gallery(store, "g", make_rows(4), encoder=ENCODER, source="s3://b")
    gallery = gallery_store(store, "g")
    for draft in drafts:  # complete versions of g, none of them current
        for entry in draft.store.list("versions/"):
            gallery.write(entry.key, draft.store.read(entry.key))
        gallery.delete(f"versions/{draft.version}/manifest.json")
        store_manifest(gallery, draft.manifest.model_copy(update={"name": "g"}))
    expected = read_pointer(gallery)
    start = threading.Barrier(len(drafts))

    def race(version: str) -> str:
        start.wait()
        try:
            return publish(gallery, version, expected=expected).version
        except Conflict as error:
            return f"lost: {error}"

    with ThreadPoolExecutor(len(drafts)) as pool:
        ends = list(pool.map(race, [draft.version for draft in drafts]))
    winners = [end for end in ends if not end.startswith("lost")]
    assert len(winners) == 1
    assert open_gallery(store, "g").version == winners[0]
    assert all(f"version {winners[0]} was published meanwhile" in end for end in ends if end.startswith("lost"))


def test_a_stale_publisher_loses_even_when_the_old_version_is_back(make_rows: Rows, publish_rows: Publisher) -> None:
    first = publish_rows(make_rows(4))
    expected = read_pointer(first.store)
    second = publish_rows(make_rows(4, seed=1))
    publish(first.store, first.version, expected=read_pointer(first.store))
    with pytest.raises(Conflict, match=f"version {first.version} was published meanwhile"):
        publish(first.store, second.version, expected=expected)


def test_publishing_what_is_current_writes_nothing(make_rows: Rows, publish_rows: Publisher) -> None:
    gallery = publish_rows(make_rows(4))
    before = gallery.store.head("CURRENT")
    assert publish(gallery.store, gallery.version, expected=read_pointer(gallery.store)).version == gallery.version
    assert publish(gallery.store, gallery.version, expected=None).version == gallery.version
    assert gallery.store.head("CURRENT") == before


def test_going_back_is_publishing_an_older_version(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    first, second, third = (publish_rows(make_rows(4, seed=seed)) for seed in range(3))
    place = first.store
    assert roll_back(place).version == second.version
    assert open_gallery(store, "g") == second
    assert roll_back(place).version == third.version  # the one before is the one that was left
    pointer = roll_back(place, first.version)
    assert pointer == read_pointer(place)
    assert [retired.version for retired in pointer.retired] == [second.version, third.version]
    assert pointer.retired[0].until < pointer.retired[1].until <= datetime.now(UTC)
    assert roll_back(place, first.version) == pointer
    with pytest.raises(GalleryError, match=f"there is no version 123; there are: .*{third.version}"):
        roll_back(place, "123")


def test_there_is_not_always_something_to_go_back_to(make_rows: Rows, publish_rows: Publisher, store: Store) -> None:
    with pytest.raises(GalleryError, match="nothing was published yet"):
        roll_back(gallery_store(store, "g"))
    only = publish_rows(make_rows(4))
    with pytest.raises(GalleryError, match=f"no version was current before {only.version}"):
        roll_back(only.store)
    with pytest.raises(Conflict, match="nothing is current, not version 123"):
        expect_current(gallery_store(store, "other"), "123")


def test_a_gallery_remembers_a_bounded_number_of_versions(
    make_rows: Rows, publish_rows: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("sketchray.gallery.publish"), "HISTORY", 2)
    versions = [publish_rows(make_rows(2, seed=seed)) for seed in range(4)]
    pointer = read_pointer(versions[0].store)
    assert pointer is not None
    assert [retired.version for retired in pointer.retired] == [version.version for version in versions[1:3]]


def test_galleries_are_listed_when_they_have_a_current_version(
    make_rows: Rows, publish_rows: Publisher, store: Store
) -> None:
    assert list(list_galleries(store)) == []
    publish_rows(make_rows(2), "b")
    publish_rows(make_rows(2), "a")
    store.write("galleries/unfinished/work/x/part-00000.parquet", b"")
    assert list(list_galleries(store)) == ["a", "b"]


def test_a_full_disk_leaves_the_old_version_current_and_whole(make_rows: Rows, small_disk: Path) -> None:
    store = open_store(str(small_disk))
    old = write_gallery(store, "g", make_rows(50), encoder=ENCODER, source="s3://b")
    with pytest.raises(NoSpace, match="no space left"):
        write_gallery(store, "g", make_rows(2000, seed=1, dimension=64), encoder=ENCODER, source="s3://b")
    gallery = open_gallery(store, "g")
    assert gallery.version == old.version
    assert gallery.shard(0).rows == 50
