"""Both backends keep one contract: conditional writes, listings, named errors, nothing half-written."""

import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.storage import (
    Conflict,
    NotFound,
    Store,
    default_store,
    open_store,
    read_uri,
)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(request.getfixturevalue("s3_store_uri"))


def test_an_object_comes_back_as_it_was_written(store: Store) -> None:
    etag = store.write("a/b c/ü#1?.bin", b"\0bytes")
    assert store.read("a/b c/ü#1?.bin") == b"\0bytes"
    entry = store.head("a/b c/ü#1?.bin")
    assert entry is not None
    assert (entry.key, entry.size, entry.etag) == ("a/b c/ü#1?.bin", 6, etag)
    assert list(store.list()) == [entry]
    assert read_uri(store.uri_of("a/b c/ü#1?.bin")) == b"\0bytes"
    store.delete("a/b c/ü#1?.bin")
    store.delete("a/b c/ü#1?.bin")
    assert not store.exists("a/b c/ü#1?.bin")
    with pytest.raises(NotFound, match="ü#1"):
        store.read("a/b c/ü#1?.bin")


def test_an_entry_says_when_its_object_was_last_written(store: Store) -> None:
    second = timedelta(seconds=1)
    started = datetime.now(UTC)
    store.write("a", b"1")
    first = store.head("a")
    time.sleep(1.1)  # S3 counts whole seconds
    store.write("a", b"1")
    [listed] = store.list()
    headed = store.head("a")
    assert first is not None
    assert headed is not None
    assert started - second < first.modified < headed.modified < datetime.now(UTC) + second
    assert abs(listed.modified - headed.modified) < second


def test_a_copy_is_an_object_of_its_own(store: Store) -> None:
    store.write("a/ü 1?#", b"first")
    before = store.write("b", b"something else")
    store.copy("a/ü 1?#", "b")
    store.copy("a/ü 1?#", "new/c")
    store.delete("a/ü 1?#")
    assert (store.read("b"), store.read("new/c")) == (b"first", b"first")
    entry = store.head("b")
    assert entry is not None
    assert entry.etag != before
    with pytest.raises(NotFound, match="a/ü"):
        store.copy("a/ü 1?#", "d")
    assert not store.exists("d")


def test_a_listing_takes_any_prefix(store: Store) -> None:
    keys = ["a/b/z", "a-b", "a.b/c", "ab/c", "é", "z"]
    for key in keys:
        store.write(key, key.encode())
    assert sorted(entry.key for entry in store.list()) == sorted(keys)
    assert sorted(entry.key for entry in store.list("a")) == ["a-b", "a.b/c", "a/b/z", "ab/c"]
    assert [entry.key for entry in store.list("a/b")] == ["a/b/z"]
    assert list(store.list("nothing/here")) == []


def test_a_folder_is_listed_in_the_order_of_whole_keys(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    keys = ["a-b", "a.b/c", "a/b/z", "a0", "ab/c", "z", "é"]
    for key in reversed(keys):
        store.write(key, b"")
    assert [entry.key for entry in store.list()] == keys == sorted(keys, key=str.encode)


def test_more_objects_than_one_page_of_a_listing(store: Store) -> None:
    keys = [f"a{'-/.'[i % 3]}{i:04d}" for i in range(1205)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b"x"), keys))
    assert sorted(entry.key for entry in store.list()) == sorted(keys)


def test_a_child_is_the_same_place_under_a_shorter_name(store: Store) -> None:
    child = store.child("galleries/g")
    child.write("x", b"1")
    assert store.read("galleries/g/x") == b"1"
    assert [entry.key for entry in child.list()] == ["x"]
    assert child.uri_of("x") == store.uri_of("galleries/g/x")
    assert pickle.loads(pickle.dumps(child)).read("x") == b"1"
    assert open_store(child.uri) == child


def test_arrow_sees_the_same_objects_and_its_folder_marks_are_not_listed(store: Store) -> None:
    filesystem, base = store.arrow()
    filesystem.create_dir(f"{base}/parts")
    with filesystem.open_output_stream(f"{base}/parts/x") as file:
        file.write(b"from arrow")
    assert [entry.key for entry in store.list()] == ["parts/x"]
    assert store.read("parts/x") == b"from arrow"


def test_conditions(store: Store) -> None:
    first = store.write("k", b"1", only_if_absent=True)
    with pytest.raises(Conflict, match="k"):
        store.write("k", b"2", only_if_absent=True)
    second = store.write("k", b"3", if_match=first)
    assert second != first
    with pytest.raises(Conflict):
        store.write("k", b"4", if_match=first)
    with pytest.raises(Conflict):
        store.write("gone", b"4", if_match=first)
    assert store.read("k") == b"3"
    assert not store.exists("gone")
    with pytest.raises(ValueError, match="exclude"):
        store.write("k", b"5", only_if_absent=True, if_match=second)


def test_one_of_many_creators_wins(store: Store) -> None:
    start = threading.Barrier(12)

    def create(i: int) -> bool:
        start.wait()
        try:
            store.write("once", str(i).encode(), only_if_absent=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(create, range(12)))
    assert sum(won) == 1
    assert store.read("once") == str(won.index(True)).encode()


COUNT = """
import sys
from sketchray.storage import Conflict, open_store
store = open_store(sys.argv[1])
for _ in range(20):
    while True:
        entry = store.head("n")
        value = int(store.read("n")) + 1
        try:
            store.write("n", str(value).encode(), if_match=entry.etag)
            break
        except Conflict:
            pass
"""


def test_processes_that_count_by_compare_and_swap_lose_nothing(store: Store) -> None:
    store.write("n", b"0")
    counters = [subprocess.Popen([sys.executable, "-c", COUNT, store.uri]) for _ in range(4)]
    assert [counter.wait(120) for counter in counters] == [0, 0, 0, 0]
    assert store.read("n") == b"80"


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["write", "create", "swap", "stale", "delete"]),
            st.sampled_from(["a", "b/c", "b/d"]),
            st.binary(max_size=3),
        ),
        max_size=25,
    )
)
def test_a_folder_behaves_as_a_dictionary_with_conditions(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]]
) -> None:
    store = open_store(str(tmp_path_factory.mktemp("model")))
    model: dict[str, bytes] = {}
    seen: dict[str, str] = {}
    for verb, key, data in steps:
        stale, entry = seen.get(key), store.head(key)
        if verb == "delete":
            store.delete(key)
            model.pop(key, None)
            continue
        condition = {"create": {"only_if_absent": True}, "swap": {"if_match": entry.etag if entry else "none"}}
        options = {"if_match": stale or "none"} if verb == "stale" else condition.get(verb, {})
        allowed = {
            "write": True,
            "create": key not in model,
            "swap": key in model,
            "stale": key in model and entry is not None and stale == entry.etag,
        }[verb]
        try:
            etag = store.write(key, data, **options)  # type: ignore[arg-type]
            assert allowed
            assert etag not in seen.values()
            seen[key] = etag
            model[key] = data
        except Conflict:
            assert not allowed
    assert {entry.key: store.read(entry.key) for entry in store.list()} == model


@pytest.mark.parametrize("key", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\0b"])
def test_a_folder_refuses_keys_that_lead_out_of_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a relative object key"):
        open_store(str(tmp_path)).write(key, b"1")


def test_a_linked_folder_is_listed_once_and_a_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.png").write_bytes(b"1")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    assert [entry.key for entry in open_store(str(tmp_path)).list()] == ["alias/x.png", "real/x.png"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [("", "empty"), ("gs://b/x", "s3://bucket"), ("s3://", "bucket is missing"), ("file://rel", "three slashes")],
)
def test_a_wrong_store_uri_is_explained(uri: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_store(uri)


def test_credentials_in_a_uri_are_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"AWS_\* variables") as caught:
        open_store("s3://key:secret@bucket/x")
    assert "secret" not in str(caught.value)


def test_the_default_store_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path))
    assert default_store().uri == f"file://{tmp_path}"
    monkeypatch.delenv("SKETCHRAY_STORE")
    with pytest.raises(ValueError, match="SKETCHRAY_STORE is not set"):
        default_store()
