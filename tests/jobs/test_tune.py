"""The tune job: what a space may hold, and a search on a miniature dataset that is killed and goes on."""

import gzip
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from jobs import tune
from jobs._cli import recipe_path
from jobs._train_config import TrainConfig
from jobs._train_data import class_names
from jobs._tune_config import TuneConfig
from jobs._tune_result import collect, command
from jobs._tune_space import at_point, read_space, rounded
from jobs._tune_trial import ORDER
from sketchray.config import ConfigError, load_config
from sketchray.data.reading import DataConfig, read_samples
from sketchray.storage import open_store

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
        # Four rates that rise from trial to trial under this seed, and what is measured falls: ASHA has trials to stop.
        "space": {"method": {"lr": {"loguniform": [1e-4, 0.05]}}},
        "seed": 366,
        "trials": 4,
        "concurrent": 1,
        "reduction": 100.0,
    }
    return TuneConfig.model_validate(values | change)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "no key to search over"),
        ({"method.inzt": {"uniform": [0, 1]}}, r"method\.inzt; did you mean method\.inst"),
        ({"stps": {"choice": [3]}}, "unknown key stps; did you mean steps"),
        ({"method.inst": {"uniform": [-1, 1]}}, r"space\.method\.inst: .*greater than or equal to 0 \(got -1\.0\)"),
        ({"steps": {"choice": [10, "many"]}}, "many"),
        ({"steps": {"integer": [10, 10]}}, "not below"),
        ({"method.lr": {"loguniform": [0, 1]}}, "above 0"),
        ({"method.lr": {"uniform": [0, 1], "choice": [1]}}, "one form"),
        ({"method.lr": {"unifrom": [0, 1]}}, r"method\.lr\.unifrom: .* is not a distribution; it is \{uniform"),
        ({"method.lr": 0.1}, "not a distribution"),
        ({"data.held_out": {"integer": [2, 4]}}, "all trials share data"),
        ({"method.name": {"choice": ["rpdk"]}}, "unknown method 'rpdk'"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_by_key(space: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_space(space, BASE)


def test_an_override_replaces_the_recipes_domain_of_a_key() -> None:
    recipe = {"method.lr": {"uniform": [0.1, 0.2]}, "method.inst": {"choice": [0.1, 1]}}
    space = read_space(recipe | {"method": {"lr": {"loguniform": [0.001, 1]}}}, BASE)
    assert {key: domain.ends for key, domain in space.items()} == {"method.lr": (0.001, 1), "method.inst": (0.1, 1)}


def test_the_recipes_space_can_be_searched() -> None:
    search = load_config(TuneConfig, verb="tune", recipe=recipe_path("rpkd-tiny51"))
    assert search.train.steps == load_config(TrainConfig, verb="train", recipe=recipe_path("rpkd-tiny51")).steps
    assert {"method.inst", "method.tau_rel"} < read_space(search.space, search.train).keys()


def test_a_point_is_tried_as_it_is_reported() -> None:
    point = rounded({"method.lr": 0.00123456, "steps": 12345, "encoder.backbone": "tiny-test"})
    assert point == {"method.lr": 0.001235, "steps": 12345, "encoder.backbone": "tiny-test"}
    assert at_point(BASE, point).method == {"name": "rpkd", "warmup": 1, "lr": 0.001235}


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

    assert name() == name(concurrent=2) == name(space={"method.lr": {"loguniform": [1e-4, 0.05]}})
    changes: list[dict[str, Any]] = [{"seed": 2}, {"trials": 5}, {"held_out": 0.6, "validate_per_class": 3}]
    assert len({name(), *(name(**change) for change in changes)}) == 4


def test_the_first_rung_lies_within_a_trial() -> None:
    space = read_space({"steps": {"choice": [2, 6]}}, BASE)
    assert TuneConfig(grace_steps=6).asha(BASE, space)["max_t"] == 6
    with pytest.raises(ConfigError, match="grace_steps=7: a trial has no more than 6 steps"):
        TuneConfig(grace_steps=7).asha(BASE, space)


def test_the_command_trains_with_the_values_on_all_seen_classes() -> None:
    original = TrainConfig.model_validate(TRAIN | {"data": {"root": "/some where", "held_out": 3}})
    words = shlex.split(command(original, {"method.lr": 1e-5, "method.sketch_teacher": "itself"}))
    assert words[:3] == ["python", "-m", "jobs.train"]
    final = load_config(TrainConfig, verb="train", overrides=words[3:])
    assert final.method == {"name": "rpkd", "warmup": 1, "lr": 1e-5, "sketch_teacher": "itself"}
    assert final.data == DataConfig(root="/some where")
    assert final.model_copy(update={"method": BASE.method, "data": BASE.data}) == BASE


def test_the_best_is_the_finished_trial_that_ends_highest(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    curves = {"a": [[2, 0.9], [4, 0.5]], "b": [[2, 0.4], [4, 0.6]], "c": [[2, 0.95]], "d": []}
    entries = [
        {"id": name, "overrides": {"method.lr": 0.1}, "error": "broken" if name == "d" else None} for name in curves
    ]
    for name, curve in curves.items():
        store.write(f"trials/{name}.json", json.dumps(curve).encode())

    def result(entries: list[dict[str, Any]]) -> Any:
        store.write(ORDER, json.dumps(entries).encode())
        return collect("t", store=store, base=BASE, metric="map@all[plain]", held_out=["x", "y"], original=BASE)

    found = result(entries)
    assert [trial.status for trial in found.trials] == ["finished", "finished", "stopped", "failed"]
    assert (found.best, found.overrides) == (1, ("method.lr=0.1",))
    assert [line.split()[:2] for line in found.table().splitlines()[1:3]] == [["1", "finished"], ["0", "finished"]]
    with pytest.raises(ValueError, match="all 1 trials failed; the first: broken"):
        result(entries[3:])


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
def test_four_trials_of_which_some_are_stopped_and_none_repeated_after_a_kill(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = unreadable_unseen(mini_root, tmp_path / "data")
    search = config(root)
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path / 'store'}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    values = search.model_dump(mode="json", exclude_unset=True)
    arguments = [sys.executable, "-m", "jobs.tune", *(f"{key}={json.dumps(value)}" for key, value in values.items())]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("wb") as log:
        job = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        finished = wait_for_a_finished_trial(job, tmp_path / "log")
        kill_between_two_writings(job, tmp_path / "store")
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"trial {finished}:" not in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["status"], len(result["trials"])) == ("tuned", 4)
    steps_of = {trial["trial"]: [step for step, _ in trial["curve"]] for trial in result["trials"]}
    states = {trial["trial"]: trial["status"] for trial in result["trials"]}
    assert states[finished] == "finished"
    assert "stopped" in states.values()
    assert all((steps_of[n][-1] == STEPS) == (status == "finished") for n, status in states.items())
    assert set(states.values()) == {"finished", "stopped"}
    samples = read_samples(DataConfig(root=str(mini_root)))
    seen = set(class_names(samples.filter(pc.equal(samples["split"], "seen"))))
    assert set(result["held_out"]) < seen
    assert not list((tmp_path / "store").glob("tunes/*/runs/*/*/*")), "the trials' checkpoints are kept"

    monkeypatch.setattr(tune, "connect", lambda **_: pytest.fail("a finished search needs no Ray"))
    assert tune.run(search) == result | {"status": "found"}


def kill_between_two_writings(job: "subprocess.Popen[bytes]", store: Path) -> None:
    """Kill a search whose state, as Ray keeps it, tells of the ended trial and is whole.

    It is written every two seconds, and not atomically: a search that is killed in that moment starts anew.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert job.poll() is None
        job.send_signal(signal.SIGSTOP)  # so that what is looked at is what stays
        files = {path: path.read_bytes() for path in store.glob("tunes/*/search/*") if path.is_file()}
        states = [data for path, data in files.items() if path.name.startswith("experiment_state-")]
        pickles = [data for path, data in files.items() if path.suffix == ".pkl"]
        whole = all(map(is_json, states)) and all(data.endswith(b".") for data in pickles)
        if whole and any(b"TERMINATED" in data for data in states):
            job.kill()
            job.wait()
            return
        job.send_signal(signal.SIGCONT)
        time.sleep(0.2)
    pytest.fail("the search kept no state of an ended trial")


def is_json(data: bytes) -> bool:
    """Tell whether a file was written to its end."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def wait_for_a_finished_trial(job: "subprocess.Popen[bytes]", log: Path) -> int:
    """Return the number of the first trial that reports its last step."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert job.poll() is None, log.read_text()[-4000:]
        for line in log.read_text().splitlines():
            words = line.replace(":", " ").replace(",", " ").split()
            if words[:1] == ["trial"] and words[2:4] == ["step", str(STEPS)]:
                return int(words[1])
        time.sleep(0.1)
    raise AssertionError(f"no trial finished: {log.read_text()[-4000:]}")
