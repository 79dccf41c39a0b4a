"""Checkpoints in the store: whole or not at all, the last and the best, written while training goes on."""

import threading
from pathlib import Path
from typing import Any

import pytest

from jobs._checkpoint_writer import CheckpointWriter
from jobs._checkpoints import Checkpoint, Checkpoints
from jobs._driver import Driver
from sketchray.storage import Conflict, NoSpace, Store, open_store
from sketchray.storage.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path / 'run'}")


def save(folder: Path, text: str) -> None:
    (folder / "state.json").write_text(text)
    (folder / "weights").write_bytes(bytes(1000))


def state(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    save(folder, text)
    return folder


def written(store: Store, tmp_path: Path, *scores: float, criterion: str | None = "map") -> Checkpoints:
    checkpoints = Checkpoints(store, criterion=criterion)
    for step, score in enumerate(scores, start=1):
        folder = state(tmp_path / "state", f"step {step}")
        checkpoints.write(folder, Checkpoint(step, {"map": score}), [{"loss": float(step)}])
    return checkpoints


def steps_of(checkpoint: Checkpoint | None) -> int | None:
    return checkpoint and checkpoint.step


def restored(checkpoints: Checkpoints, folder: Path) -> tuple[int | None, str | None]:
    folder.mkdir()
    step = steps_of(checkpoints.newest_whole(folder))
    return step, (folder / "state.json").read_text() if step else None


def test_the_last_and_the_best_are_kept_and_every_loss(store: Store, tmp_path: Path) -> None:
    checkpoints = written(store, tmp_path, 0.1, 0.6, 0.3, 0.6, 0.2)
    assert (checkpoints.last(), checkpoints.best()) == (Checkpoint(5, {"map": 0.2}), Checkpoint(2, {"map": 0.6}))
    states = sorted(entry.key for entry in store.list("checkpoints/"))
    assert states == [f"checkpoints/step-{step:08d}.{end}" for step in (2, 5) for end in ("json", "zip")]
    assert [terms["loss"] for terms in checkpoints.curve()] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert restored(checkpoints, tmp_path / "r") == (5, "step 5")


def test_without_a_criterion_only_the_last_is_kept(store: Store, tmp_path: Path) -> None:
    checkpoints = written(store, tmp_path, 0.9, 0.1, criterion=None)
    assert (steps_of(checkpoints.last()), checkpoints.best()) == (2, None)
    assert len(list(store.list("checkpoints/"))) == 2


def test_before_the_first_there_is_none(store: Store, tmp_path: Path) -> None:
    checkpoints = Checkpoints(store, criterion="map")
    assert (checkpoints.last(), checkpoints.best(), checkpoints.curve()) == (None, None, [])
    assert restored(checkpoints, tmp_path / "r") == (None, None)


def test_a_driver_that_was_taken_from_stores_none(store: Store, tmp_path: Path) -> None:
    first = Driver(store, "first")
    first.take("run", dead_s=0)
    checkpoints = Checkpoints(store, criterion=None, driver=first)
    checkpoints.write(state(tmp_path / "state", "1"), Checkpoint(1, {}))
    Driver(store, "second").take("run", dead_s=0)
    with pytest.raises(Conflict, match="drives it now"):
        checkpoints.write(tmp_path / "state", Checkpoint(2, {}), [{"loss": 2.0}])
    assert (steps_of(checkpoints.last()), checkpoints.curve()) == (1, [])


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("operation", range(5))
def test_a_process_that_dies_while_it_stores_one_leaves_the_one_before_or_the_new_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: int
) -> None:
    checkpoints = written(store, tmp_path, 0.5, 0.4, criterion="map")
    left = operation

    def dying(act: Any) -> Any:
        def act_or_die(*args: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return act(*args, **options)

        return act_or_die

    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "write", dying(FolderStore.write))
        patch.setattr(FolderStore, "delete", dying(FolderStore.delete))
        with pytest.raises(Killed):  # losses, state, record, and the second one's record and state removed
            checkpoints.write(state(tmp_path / "state", "step 3"), Checkpoint(3, {"map": 0.3}), [{"loss": 3.0}])
    step = 3 if operation >= 3 else 2
    assert restored(checkpoints, tmp_path / "r") == (step, f"step {step}")
    checkpoints.write(state(tmp_path / "state", "step 3"), Checkpoint(3, {"map": 0.3}), [{"loss": 3.0}])
    assert [terms["loss"] for terms in checkpoints.curve()] == [1.0, 2.0, 3.0]
    assert (steps_of(checkpoints.last()), steps_of(checkpoints.best())) == (3, 1)
    assert len(list(store.list("checkpoints/"))) == 4


def test_a_damaged_one_is_named_and_the_one_before_taken(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = written(store, tmp_path, 0.6, 0.3)
    whole = store.read("checkpoints/step-00000002.zip")
    for damaged in (whole[:-700], whole[:300] + b"!" + whole[301:], b""):
        store.write("checkpoints/step-00000002.zip", damaged)
        assert restored(checkpoints, tmp_path / f"r{len(damaged)}{damaged[300:301].hex()}") == (1, "step 1")
        assert "step-00000002.zip: the checkpoint is damaged" in capsys.readouterr().err


def test_training_goes_on_while_one_is_stored_and_waits_for_it_before_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, may_go_on, write = Checkpoints(store, criterion=None), threading.Event(), FolderStore.write

    def slow(self: FolderStore, *args: Any, **options: Any) -> str:
        assert may_go_on.wait(240)
        return write(self, *args, **options)

    monkeypatch.setattr(FolderStore, "write", slow)
    writer = CheckpointWriter(checkpoints)
    writer.submit(lambda folder: save(folder, "step 1"), Checkpoint(1, {}))
    assert checkpoints.last() is None  # and we are here all the same
    second = threading.Thread(
        target=lambda: writer.submit(lambda folder: save(folder, "step 2"), Checkpoint(2, {})), daemon=True
    )
    second.start()
    second.join(0.2)
    assert second.is_alive()
    may_go_on.set()
    second.join(240)
    writer.wait()
    assert restored(checkpoints, tmp_path / "r") == (2, "step 2")


def test_what_went_wrong_in_the_background_is_said_at_the_next_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: FolderStore, *args: Any, **options: Any) -> str:
        raise NoSpace("the disk is full")

    writer = CheckpointWriter(Checkpoints(store, criterion=None))
    monkeypatch.setattr(FolderStore, "write", full)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    writer.submit(lambda folder: save(folder, "step 1"), Checkpoint(1, {}))
    with pytest.raises(NoSpace, match="the disk is full"):
        writer.submit(lambda folder: save(folder, "step 2"), Checkpoint(2, {}))
    assert list(store.list()) == []


@pytest.mark.slow
def test_a_bucket_keeps_them_as_a_folder_does(s3_store_uri: str, tmp_path: Path) -> None:
    store = open_store(s3_store_uri)
    checkpoints = written(store, tmp_path, 0.1, 0.6, 0.3)
    assert (steps_of(checkpoints.last()), steps_of(checkpoints.best())) == (3, 2)
    assert len(list(store.list("checkpoints/"))) == 4
    assert len(checkpoints.curve()) == 3
    assert restored(checkpoints, tmp_path / "r") == (3, "step 3")
