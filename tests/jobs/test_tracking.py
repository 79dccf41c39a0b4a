"""Tracking: what TensorBoard and MLflow read of what was written, and that no tracker can end a training run."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jobs._held_out import Embedded
from jobs._tracking import Tracker, Trackers
from jobs._tracking_config import TrackingConfig
from jobs._tracking_meter import Meter
from jobs._tracking_run import RunTracking
from jobs._train_config import TrainConfig
from jobs._validation_sheet import FRAME, RIGHT, TILE, WRONG, retrieval_sheet
from sketchray.config import ConfigError
from sketchray.storage import Store, open_store

PICTURE = np.full((4, 6, 3), 7, np.uint8)


def optimizers(rate: float) -> dict[str, torch.optim.Optimizer]:
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups: list[dict[str, Any]] = [{"params": weights[:1]}, {"params": weights[1:], "lr": 10 * rate}]
    return {"student": torch.optim.SGD(groups, lr=rate)}


def tracking(store: Store, *, step: int = 0, rank: int = 0, every: int = 2, mlflow: str | None = None) -> RunTracking:
    fit = TrainConfig(tracking=TrackingConfig(every=every, mlflow=mlflow, tensorboard=mlflow is None))
    return RunTracking(fit, store=store, name="abc", step=step, rank=rank)


def steps(run: RunTracking, first: int, last: int) -> None:
    for step in range(first, last + 1):
        run.stepped(step, {"loss": float(step), "inst": 1.0}, waited=0.0, optimizers=optimizers(0.5))


def files(root: Path) -> list[Path]:
    return sorted((root / "tensorboard").glob("events.*"))


def curves(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    return events


def test_tensorboard_reads_losses_rates_speed_validation_and_sheets(tmp_path: Path) -> None:
    run = tracking(open_store(str(tmp_path)))
    steps(run, 1, 4)
    run.reported(4, {"val/map@all[plain]": 0.25, "unreadable": 3}, lambda count: PICTURE[:count])
    events = curves(tmp_path / "tensorboard")
    assert [(point.step, point.value) for point in events.Scalars("loss/loss")] == [(2, 1.5), (4, 3.5)]
    assert [point.value for point in events.Scalars("rate/student.1")] == [5.0, 5.0]
    assert [(point.step, point.value) for point in events.Scalars("val/map_all_plain")] == [(4, 0.25)]
    assert set(events.Tags()["scalars"]) == {
        "loss/loss",
        "loss/inst",
        "rate/student",
        "rate/student.1",
        "speed/samples_per_s",
        "speed/data_wait_share",
        "val/map_all_plain",
    }
    assert [(image.step, image.width, image.height) for image in events.Images("val/retrieval")] == [(4, 6, 4)]


def test_what_a_lost_attempt_wrote_after_its_checkpoint_is_replaced(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    lost = tracking(store)
    steps(lost, 1, 2)
    lost.reported(2, {}, lambda _: None)
    steps(lost, 3, 6)
    lost.reported(6, {}, lambda _: None)
    time.sleep(1.1)  # the files are named by the second, and no worker starts anew within one
    again = tracking(store, step=2)
    steps(again, 3, 4)
    again.reported(4, {}, lambda _: None)
    assert [point.step for point in curves(tmp_path / "tensorboard").Scalars("loss/loss")] == [2, 4]


def test_each_report_leaves_a_file_that_is_never_written_again(tmp_path: Path) -> None:
    run = tracking(open_store(str(tmp_path)))
    steps(run, 1, 2)
    run.reported(2, {}, lambda _: None)
    (first,) = files(tmp_path)
    before = first.stat()
    steps(run, 3, 4)
    run.reported(4, {}, lambda _: None)
    assert first.stat() == before
    assert len(files(tmp_path)) == 2


def test_only_rank_0_tracks(tmp_path: Path) -> None:
    run = tracking(open_store(str(tmp_path)), rank=1)
    steps(run, 1, 2)
    run.reported(2, {}, lambda _: pytest.fail("a sheet is drawn for nobody"))
    assert not list(tmp_path.iterdir())


def test_mlflow_goes_on_with_the_run_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # its database takes ten seconds to be set up
    uri = f"file://{tmp_path}/mlflow"
    for step in (0, 2):
        run = tracking(open_store(str(tmp_path)), step=step, mlflow=uri)
        steps(run, step + 1, step + 2)
        run.reported(step + 2, {"val/map@all[plain]": 0.25}, lambda _: PICTURE)
    client = mlflow.MlflowClient(tracking_uri=uri)
    (found,) = client.search_runs([client.get_experiment_by_name("sketchray").experiment_id])
    assert found.info.run_name == "abc"
    points = client.get_metric_history(found.info.run_id, "loss/loss")
    assert [(point.step, point.value) for point in points] == [(2, 1.5), (4, 3.5)]
    assert found.data.metrics["val/map_all_plain"] == 0.25
    assert {entry.path for entry in client.list_artifacts(found.info.run_id)} >= {"configuration.json", "images"}


def test_mlflow_that_is_not_installed_is_said_before_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    TrackingConfig().check()
    with pytest.raises(ConfigError, match=r"tracking\.mlflow=http://there: mlflow is not installed"):
        TrackingConfig(mlflow="http://there").check()


class Broken(Tracker):
    """A tracker whose server went away."""

    asked = 0

    def scalars(self, step: int, values: object) -> None:
        self.asked += 1
        raise ConnectionError("nobody there")

    def image(self, step: int, name: str, picture: object) -> None:
        raise AssertionError("asked again")

    def flush(self) -> None:
        raise AssertionError("asked again")


def test_a_tracker_that_fails_is_asked_no_more_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    class Counting(Broken):
        def scalars(self, step: int, values: object) -> None:
            self.asked += 1

        def image(self, step: int, name: str, picture: object) -> None:
            self.asked += 1

        def flush(self) -> None:
            self.asked += 1

    broken, counting = Broken(), Counting()
    trackers = Trackers({"broken": lambda: broken, "counting": lambda: counting})
    with caplog.at_level(logging.ERROR):
        trackers.scalars(1, {"loss/loss": 1.0})
    trackers.image(1, "val/retrieval", PICTURE)
    trackers.flush()
    assert (broken.asked, counting.asked) == (1, 3)
    assert "tracking by broken ends here" in caplog.text


def test_speed_and_waiting_are_of_the_time_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    meter = Meter(samples_per_step=10)
    for _ in range(4):
        now[0] += 0.5
        meter.add({"loss": 1.0}, waited=0.1)
    points = meter.read({})
    assert points["speed/samples_per_s"] == pytest.approx(20)
    assert points["speed/data_wait_share"] == pytest.approx(0.2)
    now[0] += 60  # a checkpoint
    meter.restart()
    now[0] += 1
    meter.add({"loss": 1.0}, waited=0.0)
    assert meter.read({})["speed/samples_per_s"] == pytest.approx(10)


def test_a_sheet_frames_what_is_of_the_sketchs_class() -> None:
    photos_M3HW = np.stack([np.full((3, 8, 8), 10 * n, np.uint8) for n in range(3)])
    gallery = Embedded(np.eye(3, dtype=np.float32), ["a", "b", "a"])
    asked = Embedded(np.array([[0.1, 0.9, 0.5]], np.float32), ["a"])
    sheet = retrieval_sheet(np.zeros((1, 3, 8, 8), np.uint8), asked, photos_M3HW, gallery)
    side = TILE + 2 * FRAME
    assert sheet.shape == (side, 4 * side, 3)
    assert [tuple(sheet[0, side * n]) for n in (1, 2, 3)] == [WRONG, RIGHT, RIGHT]
    assert [int(sheet[side // 2, side * n + side // 2, 0]) for n in (1, 2, 3)] == [10, 20, 0]
