"""One driver at a time: a second one stays away while the first lives, and takes over when it is dead."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs._driver import DRIVER, Driver, sole_driver
from jobs._tune_journal import Journal
from sketchray.storage import Conflict, Store, StoreError, open_store
from sketchray.storage.folder import FolderStore
from tests.jobs.tune_trials import trial

SOON = {"beat_s": 0.05, "dead_s": 3.0}  # dead: many beats, that a busy machine is late with


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A prefix of a folder, and of an object store."""
    uri = str(tmp_path) if request.param == "folder" else str(request.getfixturevalue("s3_store_uri"))
    return open_store(uri).child("tunes/a")


def killed(place: Store, name: str = "killed") -> Driver:
    """Return a driver that was killed: its object is there, and does not change any more."""
    driver = Driver(place, name)
    driver.take("search a", dead_s=0)
    return driver


def test_a_second_driver_is_told_where_the_first_one_runs(place: Store) -> None:
    with sole_driver(place, "search a", **SOON) as first:
        with pytest.raises(Conflict, match=r"^search a runs already, on .+ \(process \d+, last heard of"):
            sole_driver(place, "search a", **SOON).__enter__()
        first.check()
    assert not place.exists(DRIVER)
    with sole_driver(place, "search a", **SOON):
        pass


def test_a_dead_driver_has_one_successor_and_writes_nothing_any_more(place: Store) -> None:
    dead = killed(place)
    Journal(place, dead).write(trial(0, {}))
    successors, go = [Driver(place, "one"), Driver(place, "two")], threading.Barrier(2)

    def succeed(driver: Driver) -> bool:
        go.wait()
        try:
            return bool(driver.take("search a", dead_s=0.6))
        except Conflict:
            return False

    with ThreadPoolExecutor(2) as pool:
        took_over = list(pool.map(succeed, successors))
    assert sorted(took_over) == [False, True]
    successors[took_over.index(True)].check()
    for late in (dead, successors[took_over.index(False)]):
        with pytest.raises(Conflict, match=r"not heard of for so long that .+ drives it now"):
            Journal(place, late).write(trial(0, {2: 0.5}))
    assert Journal(place).read(0).curve == ()


def test_a_driver_ends_with_its_work_however_that_ends(tmp_path: Path) -> None:
    place = open_store(str(tmp_path))
    with pytest.raises(KeyboardInterrupt), sole_driver(place, "search a", **SOON):
        raise KeyboardInterrupt
    assert not place.exists(DRIVER)
    with sole_driver(place, "search a", **SOON) as first:
        place.delete(DRIVER)
        killed(place, "successor")
        time.sleep(4 * SOON["beat_s"])
        with pytest.raises(Conflict, match="drives it now"):
            first.check()
    assert place.exists(DRIVER)  # the successor's


def test_an_answer_that_was_lost_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, write = [Conflict, None, StoreError, None, Conflict], FolderStore.write

    def stuttering(*arguments: Any, **conditions: Any) -> str:
        etag = write(*arguments, **conditions)
        if lost and (error := lost.pop(0)):
            raise error("no answer, or one to the second attempt")
        return etag

    def wait_for(test: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 240
        while not test():
            assert time.monotonic() < deadline, "nothing more is heard of the driver"
            time.sleep(SOON["beat_s"])

    monkeypatch.setattr(FolderStore, "write", stuttering)
    place = open_store(str(tmp_path))
    with sole_driver(place, "search a", **SOON) as driver:
        wait_for(lambda: not lost)
        driver.check()
        before = place.read(DRIVER)
        wait_for(lambda: place.read(DRIVER) != before)
        driver.check()
