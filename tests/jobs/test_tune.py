"""The tune job: what it holds out, and a search on a miniature dataset that is killed and goes on."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs import tune
from jobs._driver import sole_driver
from jobs._train_config import TrainConfig
from jobs._train_data import class_names
from jobs._tune_config import TuneConfig
from jobs._tune_result import FILES
from jobs._tune_space import at_point, read_space
from sketchray.config import ConfigError, load_config
from sketchray.data.reading import DataConfig, read_samples
from sketchray.storage import Conflict, default_store

STEPS = 4


TRAIN: dict[str, Any] = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "method": {"name": "rpkd", "warmup": 1},
    "steps": STEPS,
    "checkpoint_every": 2,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 4,
    "resources": {"workers": 1, "cpus": 0.5},
}


BASE = TrainConfig.model_validate(TRAIN)


def config(root: Path, **change: Any) -> TuneConfig:
    values: dict[str, Any] = {
        "train": TRAIN | {"data": {"root": str(root)}},
        # Rates far above the recipe's, by which what is measured falls: ASHA has trials to stop.
        "space": {"method": {"lr": {"loguniform": [0.005, 0.05]}}},
        "trials": 3,
        "concurrent": 1,
        "reduction": 100.0,
    }
    return TuneConfig.model_validate(values | change)


def test_seen_classes_are_held_out_and_unseen_ones_left_behind(mini_root: Path) -> None:
    samples = read_samples(DataConfig(root=str(mini_root)))
    base, rows = config(mini_root).base(samples)
    assert (base.data.held_out, base.validate_per_class) == (2, 20)
    assert set(rows["split"].to_pylist()) == {"seen", "val"}
    assert not set(class_names(rows)) & {"star", "zigzag"}
    with pytest.raises(ConfigError, match="held_out=0 leaves only unseen classes"):
        config(mini_root, held_out=0).base(samples)


def test_the_search_is_named_by_what_decides_its_numbers(mini_root: Path) -> None:
    def name(**change: Any) -> str:
        search = config(mini_root, **change)
        base, rows = search.base(read_samples(search.train.data))
        return search.tune_id(base, read_space(search.space, base), rows)

    assert name() == name(concurrent=2) == name(space={"method.lr": {"loguniform": [0.005, 0.05]}})
    changes: list[dict[str, Any]] = [{"seed": 2}, {"trials": 5}, {"held_out": 0.6, "validate_per_class": 3}]
    assert len({name(), *(name(**change) for change in changes)}) == 4


def test_the_first_rung_lies_within_a_trial() -> None:
    space = read_space({"steps": {"choice": [2, 6]}}, BASE)
    assert TuneConfig(grace_steps=6).asha(BASE, space)["max_t"] == 6
    with pytest.raises(ConfigError, match="grace_steps=7: a trial has no more than 6 steps"):
        TuneConfig(grace_steps=7).asha(BASE, space)


def test_a_search_that_runs_elsewhere_is_not_run_twice(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = config(mini_root)
    base, rows = search.base(read_samples(search.train.data))
    tune_id = search.tune_id(base, read_space(search.space, base), rows)
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path}")
    monkeypatch.setattr(tune, "connect", lambda **_: pytest.fail("another driver lives"))
    first = sole_driver(default_store().child(f"tunes/{tune_id}"), "the first", beat_s=0.05)
    with first, pytest.raises(Conflict, match=f"search {tune_id} runs already"):
        tune.run(search)


def unreadable_unseen(mini_root: Path, root: Path) -> Path:
    """Copy the dataset; what is unseen has its place in the listing, and nothing in it can be read."""
    shutil.copytree(mini_root, root)
    for word in ("star", "zigzag"):
        for path in (root / "photos" / word).iterdir():
            path.write_bytes(b"cannot be read")
        with gzip.open(root / "strokes" / f"{word}.ndjson.gz", "wt") as file:
            file.write('{"drawing": []}\n' * 4)
        np.savez(root / "sketches28" / f"{word}.npz", images=np.zeros((4, 28, 28), np.uint8))
    return root


@pytest.mark.slow
def test_three_trials_of_which_some_are_stopped_and_none_repeated_after_a_kill(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unreadable_unseen(mini_root, tmp_path / "data")
    search = config(root)
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path / 'store'}")
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):  # as on a machine where nothing is set up
        monkeypatch.delenv(name, raising=False)
    values = search.model_dump(mode="json", exclude_unset=True)
    arguments = [sys.executable, "-m", "jobs.tune", *(f"{key}={json.dumps(value)}" for key, value in values.items())]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("wb") as log:
        job = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        finished = wait_for_a_finished_trial(job, tmp_path / "log")
        job.kill()
        job.wait()
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"trial {finished}:" not in done.stderr
    assert "Token authentication" not in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["status"], len(result["trials"])) == ("tuned", 3)
    steps_of = {trial["trial"]: [step for step, _ in trial["curve"]] for trial in result["trials"]}
    states = {trial["trial"]: trial["status"] for trial in result["trials"]}
    assert states[finished] == "finished"
    assert "stopped" in states.values()
    assert all((steps_of[n][-1] == STEPS) == (status == "finished") for n, status in states.items())
    assert set(states.values()) == {"finished", "stopped"}
    samples = read_samples(DataConfig(root=str(mini_root)))
    seen = set(class_names(samples.filter(pc.equal(samples["split"], "seen"))))
    assert set(result["held_out"]) < seen
    left = {path.name for path in (tmp_path / "store").glob("tunes/*/**/*") if path.is_file()}
    assert {name for name in left if not name.startswith(".")} == set(FILES)
    final = load_config(TrainConfig, verb="train", recipe=result["recipe"])
    assert final.method == at_point(BASE, result["trials"][result["best"]]["overrides"]).method

    monkeypatch.setattr(tune, "connect", lambda **_: pytest.fail("a finished search needs no Ray"))
    assert tune.run(search) == result | {"status": "found"}


def wait_for_a_finished_trial(job: "subprocess.Popen[bytes]", log: Path) -> int:
    """Return the number of the first trial that reports its last step."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert job.poll() is None, log.read_text()[-4000:]
        for line in log.read_text().splitlines():
            words = line.replace(":", " ").replace(",", " ").split()
            if words[:1] == ["trial"] and words[2:4] == ["step", str(STEPS)]:
                return int(words[1])
        time.sleep(0.1)
    raise AssertionError(f"no trial finished: {log.read_text()[-4000:]}")
