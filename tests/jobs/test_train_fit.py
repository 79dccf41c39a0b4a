"""Ray Train is asked again where a process group could not be set up, which it does not retry itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import ray.train

from jobs import _train_fit
from jobs._checkpoints import Checkpoint, Checkpoints
from jobs._driver import Driver
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData
from sketchray.storage import Conflict, open_store


def fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, failures: int, error: Exception, step_every: int | None = None
) -> int:
    """Fit with a trainer that fails so often, and in every ``step_every``th attempt stores a checkpoint first.

    Returns:
        how often it was made.
    """
    made = []
    store = open_store(str(tmp_path))
    checkpoints = Checkpoints(store.child("runs/run"), criterion=None)

    class Trainer:
        def __init__(self, *_: Any, **options: Any) -> None:
            made.append(options["name"])

        def fit(self) -> None:
            if step_every and len(made) % step_every == 0:
                checkpoints.write(tmp_path / "nothing", Checkpoint(len(made), {}))
            if len(made) <= failures:
                raise error

    monkeypatch.setattr(_train_fit, "trainer", Trainer)
    monkeypatch.setattr("ray.put", lambda value: value)
    none: Any = {"sketch": pa.table({}), "photo": pa.table({})}
    data = TrainData([], none, {}, {}, "")
    (tmp_path / "nothing").mkdir()
    _train_fit.fit(TrainConfig(), data, store=store, name="run")
    assert set(made) == {"run"}  # the name finds the checkpoints again
    return len(made)


SETUP_FAILED = ray.train.ControllerError(RuntimeError("connectFullMesh failed"))


def test_a_process_group_that_comes_up_at_the_third_attempt_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(monkeypatch, tmp_path, failures=2, error=SETUP_FAILED) == 3
    assert "run: attempt 2 of 3 failed" in capsys.readouterr().err


def test_a_process_group_that_never_comes_up_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ray.train.ControllerError, match="connectFullMesh failed"):
        fit(monkeypatch, tmp_path, failures=3, error=SETUP_FAILED)


def test_failures_between_which_training_got_on_are_not_in_a_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert fit(monkeypatch, tmp_path, failures=9, error=SETUP_FAILED, step_every=2) == 10


def test_a_worker_of_a_driver_that_was_taken_from_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = open_store(str(tmp_path))
    Driver(store.child("runs/run"), "another").take("run", dead_s=0)

    class Trainer:
        def __init__(self, _: TrainConfig, train_loop: Callable[[], None], **__: Any) -> None:
            self.fit = train_loop

    monkeypatch.setattr(_train_fit, "trainer", Trainer)
    monkeypatch.setattr(_train_fit, "Worker", lambda *_: pytest.fail("it began"))
    monkeypatch.setattr("ray.put", lambda value: value)
    none: Any = {"sketch": pa.table({}), "photo": pa.table({})}
    first = Driver(store.child("runs/run"), "first")
    with pytest.raises(Conflict, match="drives it now"):
        _train_fit.fit(TrainConfig(), TrainData([], none, {}, {}, ""), store=store, name="run", driver=first)


def test_a_training_that_failed_too_often_is_not_begun_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = ray.train.WorkerGroupError("two workers died", {})
    with pytest.raises(ray.train.WorkerGroupError, match="two workers died"):
        fit(monkeypatch, tmp_path, failures=1, error=failed)
