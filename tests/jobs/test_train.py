"""The train job on a miniature dataset: what it ships, what it reads, and that it goes on where it was killed."""

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pyarrow.compute as pc
import pytest
import torch

from jobs import train
from jobs._checkpoints import Checkpoints
from jobs._driver import DRIVER, Driver, sole_driver
from jobs._train_config import TrainConfig
from sketchray.config import ConfigError
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.samples import data_fingerprint
from sketchray.encoders import from_pretrained
from sketchray.storage import Conflict, open_store

pytestmark = pytest.mark.slow

T = TypeVar("T")

SMALL: dict[str, Any] = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "steps": 12,
    "steps_per_epoch": 4,
    "checkpoint_every": 4,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 4,
}


def config(root: Path, **change: Any) -> TrainConfig:
    return TrainConfig.model_validate(SMALL | {"data": DataConfig(root=str(root))} | change)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"file://{tmp_path / 'store'}"
    monkeypatch.setenv("SKETCHRAY_STORE", uri)
    return uri


@pytest.mark.usefixtures("local_ray")
def test_it_ships_a_package_and_finds_it_again_without_opening_one_unseen_sample(
    mini_root: Path, tmp_path: Path, store: str
) -> None:
    root = shutil.copytree(mini_root, tmp_path / "data")
    for word in ("star", "zigzag"):
        for path in (root / "photos" / word).iterdir():
            path.write_bytes(b"cannot be read")
        with gzip.open(root / "strokes" / f"{word}.ndjson.gz", "wt") as file:
            file.write('{"drawing": []}\n' * 4)
        np.savez(root / "sketches28" / f"{word}.npz", images=np.zeros((4, 28, 28), np.uint8))
    result = train.run(config(root))
    assert result["status"] == "trained"
    assert result["metrics"]["unreadable"] == 0
    assert result["metrics"]["step"] == 12
    encoder = from_pretrained(result["encoder"])
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    embedding_BD = encoder(images, torch.tensor([True, False]))
    torch.testing.assert_close(embedding_BD.norm(dim=1), torch.ones(2))
    card = open_store(result["encoder"]).read("README.md").decode()
    assert "circle, cross, square, triangle" in card
    assert "zigzag" not in card
    assert encoder.calibration is None
    assert (
        "This encoder has no calibration: it needs two held-out seen classes or more, not 0: set data.held_out" in card
    )
    assert train.run(config(root)) == {k: result[k] for k in ("run", "encoder", "data")} | {"status": "found"}


def test_the_run_is_named_by_recipe_and_data_not_by_resources(mini_root: Path) -> None:
    name = config(mini_root).run_id("abc")
    assert name == config(mini_root / "elsewhere", resources={"workers": 1}).run_id("abc")
    assert name != config(mini_root).run_id("abd")
    assert name != config(mini_root, seed=1).run_id("abc")


def test_an_unknown_method_option_is_named(mini_root: Path, store: str) -> None:
    with pytest.raises(ConfigError, match="no_such_option"):
        train.run(config(mini_root, method={"name": "rpkd", "no_such_option": 1}))


def test_a_run_that_is_trained_elsewhere_is_not_trained_twice(
    mini_root: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "connect", lambda: pytest.fail("another driver lives"))
    run = config(mini_root)
    samples = read_samples(run.data)
    name = run.run_id(data_fingerprint(samples.filter(pc.equal(samples["split"], "seen"))))
    first = sole_driver(open_store(f"{store}/runs/{name}"), "the first", beat_s=0.05)
    with first, pytest.raises(Conflict, match=f"run {name} runs already"):
        train.run(run)


def command(root: Path, store: Path, **change: object) -> tuple[list[str], dict[str, str]]:
    options = SMALL | {"data": {"root": str(root)}} | change
    arguments = [f"{key}={json.dumps(value)}" for key, value in options.items()]
    environment = os.environ | {"SKETCHRAY_STORE": f"file://{store}", "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    return [sys.executable, "-m", "jobs.train", *arguments], environment


def start(root: Path, store: Path, **change: object) -> "subprocess.Popen[str]":
    arguments, environment = command(root, store, **change)
    with (store.parent / f"{store.name}.log").open("a") as log:
        return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)


def result_of(job: "subprocess.Popen[str]", store: Path) -> dict[str, Any]:
    output, _ = job.communicate(timeout=600)
    assert job.returncode == 0, (store.parent / f"{store.name}.log").read_text()[-4000:]
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def wait_for(job: "subprocess.Popen[str]", seen: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + 600
    while not (found := seen()):
        assert job.poll() is None, f"the job ended before there was {what}"
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)
    return found


def ranks(job: "subprocess.Popen[str]", *, other_than: Set[psutil.Process] = frozenset()) -> set[psutil.Process] | None:
    found = set()
    for process in psutil.Process(job.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {process} if "RayTrainWorker" in " ".join(process.cmdline()) else set()
    found -= other_than
    return found if len(found) == 2 else None


def losses(store: Path, result: dict[str, Any]) -> list[dict[str, float]]:
    return Checkpoints(open_store(str(store / "runs" / result["run"])), criterion=None).curve()


@pytest.mark.timeout(2400)  # five times Ray's and its workers' start
def test_a_job_whose_worker_and_then_driver_are_killed_ends_as_an_undisturbed_one(
    mini_root: Path, tmp_path: Path
) -> None:
    steps = 60  # so many that the job is not over before it is killed
    whole, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed = result_of(start(mini_root, whole, steps=steps), whole)
    job = start(mini_root, killed, steps=steps)
    wait_for(job, lambda: list(killed.glob("runs/*/checkpoints/*.json")), "a checkpoint")
    first = wait_for(job, lambda: ranks(job), "two workers")
    next(iter(first)).kill()
    wait_for(job, lambda: ranks(job, other_than=first), "two other workers")
    job.send_signal(signal.SIGKILL)
    job.communicate()
    assert not list(killed.glob("encoders/*/config.json"))
    again = result_of(start(mini_root, killed, steps=steps), killed)
    assert again["run"] == undisturbed["run"]
    assert losses(killed, again) == losses(whole, undisturbed)
    assert len(losses(whole, undisturbed)) == steps
    assert from_pretrained(again["encoder"]).fingerprint == from_pretrained(undisturbed["encoder"]).fingerprint


def test_a_job_whose_run_another_process_took_over_ends_and_ships_nothing(mini_root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    job = start(mini_root, store, steps=4000, resources={"max_failures": 0})
    first = wait_for(job, lambda: list(store.glob("runs/*/checkpoints/*.json")), "a checkpoint")
    place = open_store(str(first[0].parents[1]))
    place.delete(DRIVER)
    Driver(place, "another").take("the run", dead_s=0)
    job.communicate(timeout=600)
    assert job.returncode == 2
    *_, told = (tmp_path / "store.log").read_text().splitlines()
    assert told.startswith(f"train: {place.uri}: this process was not heard of for so long that ")
    assert told.endswith(" drives it now")
    assert place.exists(DRIVER)
    assert not list(store.glob("encoders/*"))
