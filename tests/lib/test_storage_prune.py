"""Folders that have no object any more go, whoever else writes there meanwhile."""

import fcntl
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sketchray.storage import Conflict, Store, open_store
from sketchray.storage.folder_tree import LOCK, locked


def folders(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir()}


def test_only_folders_without_an_object_are_removed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    for key in ("versions/a/x", "versions/a/deep/y", "versions/b/z", "work/r/objects/o"):
        store.write(key, b"")
    (tmp_path / "store/versions/never").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store/versions/link").symlink_to(tmp_path / "elsewhere")
    for key in ("versions/a/deep/y", "versions/b/z", "work/r/objects/o"):
        store.delete(key)
    store.child("versions").prune()
    kept = {"versions", "versions/a", "versions/link"}
    assert folders(tmp_path / "store") == kept | {"work", "work/r", "work/r/objects"}
    store.prune()
    assert folders(tmp_path / "store") == kept
    assert [entry.key for entry in store.list()] == ["versions/a/x"]
    assert (tmp_path / "elsewhere").is_dir()
    assert not (tmp_path / "elsewhere/.sketchray-lock").exists()
    open_store(str(tmp_path / "nowhere")).prune()


def test_an_unfinished_write_keeps_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.sketchray-tmp-x").write_bytes(b"half")
    open_store(str(tmp_path)).prune()
    assert folders(tmp_path) == {"a"}


def test_writers_and_a_pruner_never_meet(tmp_path: Path) -> None:
    """Each writer creates the one key, and deletes it again: at most one at a time has it, and none sees an error."""
    store, stop, holders = open_store(str(tmp_path)), threading.Event(), list[int]()

    def take_turns(number: int) -> int:
        won = 0
        while won < 25:
            try:
                store.write("a/b/turn", str(number).encode(), only_if_absent=True)
            except Conflict:
                continue
            holders.append(number)
            assert holders == [number]
            assert store.read("a/b/turn") == str(number).encode()
            holders.remove(number)
            store.delete("a/b/turn")
            won += 1
        return won

    def prune() -> None:
        while not stop.is_set():
            store.prune()

    with ThreadPoolExecutor(5) as pool:
        pruner = pool.submit(prune)
        try:
            assert list(pool.map(take_turns, range(4))) == [25] * 4
        finally:
            stop.set()
        pruner.result(60)
    store.prune()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_while_somebody_waited_for_it_lets_nobody_in(tmp_path: Path) -> None:
    entered = threading.Event()

    def wait_for_it() -> None:
        with locked(tmp_path):
            entered.set()

    old = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(old, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_for_it)
        time.sleep(0.2)
        (tmp_path / LOCK).unlink()
        with locked(tmp_path):  # another one: the path has a new file
            os.close(old)
            assert not entered.wait(0.3)
        waiting.result(10)
    assert entered.is_set()


def test_a_scan_shows_what_a_listing_shows(tmp_path: Path) -> None:
    store: Store = open_store(str(tmp_path))
    for key in ("b/1", "a", "b/c/2", "z"):
        store.write(key, key.encode())
    assert sorted(store.scan(), key=lambda entry: entry.key) == sorted(store.list(), key=lambda entry: entry.key)
