"""Both backends keep one contract: conditional writes, listings, named errors, nothing half-written."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.storage import (
    AccessDenied,
    BucketMissing,
    Conflict,
    NoSpace,
    NotFound,
    Store,
    Unreachable,
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


ACTIONS: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read("k"),
    "write": lambda store: store.write("k", b"1"),
    "list": lambda store: list(store.list()),
}


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_s3_errors_have_names_and_come_quickly(s3_store_uri: str, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    begin = time.monotonic()
    with pytest.raises(BucketMissing, match="no-such-bucket"):
        ACTIONS[action](open_store("s3://no-such-bucket/x"))
    store = open_store(s3_store_uri)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        with pytest.raises(AccessDenied, match=s3_store_uri):
            ACTIONS[action](store)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 does not answer"):
            ACTIONS[action](store)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(AccessDenied, match="AWS_ACCESS_KEY_ID"):
            ACTIONS[action](store)
    assert time.monotonic() - begin < 30


@pytest.mark.slow
def test_a_conditional_write_whose_answer_was_lost_is_recognised_as_ours(s3_store_uri: str) -> None:
    from botocore.exceptions import ClientError

    store = open_store(s3_store_uri)
    etag = store.write("k", b"ours", only_if_absent=True)
    answer = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412, "RetryAttempts": 1}}
    with mock.patch("sketchray.storage.s3.S3Store._put", side_effect=ClientError(answer, "PutObject")):
        assert store.write("k", b"ours", only_if_absent=True) == etag
        with pytest.raises(Conflict):
            store.write("k", b"theirs", only_if_absent=True)


def test_a_file_size_limit_is_reported_as_no_space_and_leaves_the_old_object(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.write("k", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(NoSpace, match="k: no space"):
            store.write("k", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.read("k") == b"old"
    assert [path.name for path in tmp_path.iterdir() if "tmp" in path.name] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One mebibyte of disk; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if mounted.returncode:
        pytest.skip(f"not allowed to mount a tmpfs: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_reported_and_nothing_is_half_written(small_disk: Path) -> None:
    store = open_store(str(small_disk))
    store.write("pointer", b"old")
    with pytest.raises(NoSpace, match="big: no space"):
        store.write("big", b"x" * (2 << 20))
    assert [entry.key for entry in store.list()] == ["pointer"]
    assert store.read("pointer") == b"old"
    store.write("small", b"fits")


REWRITE = """
import sys
from sketchray.storage import open_store
store = open_store(sys.argv[1])
while True:
    for byte in (b"a", b"b"):
        store.write("k", byte * 3_000_000)
"""


def test_a_killed_writer_leaves_a_whole_object_and_no_lock(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for delay in (0.05, 0.1, 0.15):
        writer = subprocess.Popen([sys.executable, "-c", REWRITE, store.uri])
        while not store.exists("k"):
            time.sleep(0.01)
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert store.read("k") in (b"a" * 3_000_000, b"b" * 3_000_000)
        assert [entry.key for entry in store.list()] == ["k"]
        store.write("k", b"after")
        store.delete("k")  # so that the next writer is seen to write before it is killed
