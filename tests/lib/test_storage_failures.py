"""What goes wrong with a store has a name, comes quickly, and leaves nothing half-written."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from sketchray.storage import AccessDenied, BucketMissing, Conflict, NoSpace, Store, Unreachable, open_store

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
