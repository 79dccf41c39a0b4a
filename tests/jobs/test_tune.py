"""The tune job: what a space may hold, and a search on a miniature dataset that is killed and goes on."""

import gzip
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs import tune
from jobs._cli import recipe_path
from jobs._evaluate_config import EvaluateConfig
from jobs._train_config import TrainConfig
from jobs._train_data import class_names
from jobs._tune_config import TuneConfig
from jobs._tune_halving import Halving
from jobs._tune_journal import Journal, Trial
from jobs._tune_plot import search_plot
from jobs._tune_proposals import Proposals, propose
from jobs._tune_recipe import best_recipe
from jobs._tune_result import FILES, collect
from jobs._tune_space import Point, at_point, present_point, read_space
from sketchray.config import ConfigError, load_config
from sketchray.data.reading import DataConfig, read_samples
from sketchray.methods.registry import list_methods, method_config
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
        # Rates far above the recipe's, by which what is measured falls: ASHA has trials to stop.
        "space": {"method": {"lr": {"loguniform": [0.005, 0.05]}}},
        "trials": 3,
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


@pytest.mark.parametrize("method", sorted(list_methods()))
def test_each_methods_recipe_for_tiny_51_has_a_space_that_can_be_searched(method: str) -> None:
    recipe = recipe_path(f"{method}-tiny51")
    search = load_config(TuneConfig, verb="tune", recipe=recipe)
    assert search.train.steps == load_config(TrainConfig, verb="train", recipe=recipe).steps
    assert search.grace_steps == search.train.checkpoint_every
    space = read_space(search.space, search.train)
    assert {"method.lr"} < space.keys()
    assert present_point(search.train, space).keys() == space.keys()


def test_the_recipes_own_values_are_a_point_too() -> None:
    base = TrainConfig.model_validate(TRAIN | {"method": {"name": "rpkd", "inst": 0.5}})
    forms: dict[str, Any] = {"method.lr": {"loguniform": [1e-4, 1]}, "method.inst": {"uniform": [0, 1]}}
    space = read_space(forms | {"steps": {"integer": [2, 9]}, "method.name": {"choice": ["rpkd"]}}, base)
    point = present_point(base, space)
    assert point == {"method.lr": 2e-4, "method.inst": 0.5, "steps": 4, "method.name": "rpkd"}
    assert create(at_point(base, point)) == create(base)


def create(fit: TrainConfig) -> Any:
    options = dict(fit.method)
    return method_config(options.pop("name"), **options)


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


def test_the_recipe_trains_with_the_values_on_all_seen_classes(tmp_path: Path) -> None:
    original = TrainConfig.model_validate(
        TRAIN | {"data": {"root": "/some where", "held_out": 3}, "ship": "best", "validate_per_class": 4}
    )
    path = tmp_path / "best.yaml"
    point: Point = {"method.lr": 1e-5, "method.sketch_teacher": "itself"}
    path.write_text(best_recipe(original, point, says=["Two lines", "of comment."]))
    for place in (path, f"file://{path}"):
        final = load_config(TrainConfig, verb="train", recipe=place)
        assert final.method == {"name": "rpkd", "warmup": 1, "lr": 1e-5, "sketch_teacher": "itself"}
        assert final.data == DataConfig(root="/some where")
        assert final.model_copy(update={"method": BASE.method, "data": BASE.data}) == BASE
        final.check()
    assert path.read_text().startswith("# Two lines\n# of comment.\ndata:\n")
    assert load_config(EvaluateConfig, verb="evaluate", recipe=path, overrides=["encoders=[x]"]).data == final.data


def trial(number: int, curve: dict[int, float], status: str = "running", point: Any = ()) -> Trial:
    values = {"trial": number, "overrides": dict(point), "steps": 4, "status": status, "curve": tuple(curve.items())}
    return Trial.model_validate(values | ({"error": "broken"} if status == "failed" else {}))


TRIALS = [
    trial(0, {2: 0.9, 4: 0.5}, "finished", {"method.lr": 0.1}),
    trial(1, {2: 0.4, 4: 0.6}, "finished", {"method.lr": 0.2, "encoder.backbone": "tiny-test"}),
    trial(2, {2: 0.95}, "stopped", {"method.lr": 0.3, "encoder.backbone": 7}),
    trial(3, {}, "failed", {"method.lr": 0.4}),
]


def test_the_best_is_the_finished_trial_that_ends_highest(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    found = collect("t", trials=TRIALS, metric="map@all[plain]", held_out=["x", "y"], store=store)
    assert (found.best, found.recipe) == (1, f"file://{tmp_path}/best.yaml")
    assert shlex.split(found.command or "")[-1] == found.recipe
    assert [row.trial for row in found.ranked] == [1, 0, 2, 3]
    with pytest.raises(ValueError, match="all 1 trials failed; the first: broken"):
        collect("t", trials=TRIALS[3:], metric="map@all[plain]", held_out=["x", "y"], store=store)


def test_what_came_of_a_search_is_a_table_a_parquet_file_a_plot_and_a_recipe(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    found = collect("t", trials=TRIALS[:2], metric="map@all[plain]", held_out=["x", "y"], store=store)
    found.write(store, BASE)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == set(FILES)
    assert tune.find(store) == found
    rows = collect("t", trials=TRIALS, metric="map@all[plain]", held_out=["x"], store=store).rows().to_pylist()
    assert [row["map@all[plain]"] for row in rows] == [0.5, 0.6, 0.95, None]
    assert [row["encoder.backbone"] for row in rows] == [None, "tiny-test", "7", None]
    assert rows[1]["curve"] == [{"step": 2, "value": 0.4}, {"step": 4, "value": 0.6}]
    assert pq.read_table(io.BytesIO(store.read("trials.parquet"))).num_rows == 2
    lines = store.read("trials.md").decode().splitlines()
    assert lines[2] == "| 1 | finished | 4 | 0.6000 | method.lr=0.2 encoder.backbone=tiny-test |"
    assert lines[3] == "| 0 (the recipe) | finished | 4 | 0.5000 | method.lr=0.1 |"
    assert "trial 1 0.6000; the recipe it started from 0.5000." in store.read("best.yaml").decode()


def test_the_plot_shows_each_curve_and_points_out_the_best() -> None:
    svg = ElementTree.fromstring(search_plot(TRIALS, best=1, metric="map@all[plain]"))
    lines = [element for element in svg.iter() if element.tag.endswith("polyline")]
    assert [line.get("stroke") for line in lines] == ["#bbbbbb", "#d55e00", "#009e73"]  # the best above all
    assert [len(line.get("points", "").split()) for line in lines] == [1, 2, 2]
    texts = [element.text for element in svg.iter() if element.tag.endswith("text")]
    assert {"best: trial 1", "the recipe's own values: trial 0", "stopped", "0.950", "0.400"} <= set(texts)


def test_a_proposal_follows_from_seed_number_and_what_is_known_alone() -> None:
    space = read_space({"method.lr": {"loguniform": [1e-4, 0.05]}, "method.warmup": {"integer": [1, 9]}}, BASE)
    known = [
        trial(n, {4: 0.2 * n}, "finished", {"method.lr": 1e-3 * (n + 1), "method.warmup": 1 + n % 9}) for n in range(12)
    ]

    def proposal(number: int, seed: int = 0, count: int = 12) -> Point:
        return propose(space, seed=seed, number=number, known=known[:count])

    assert proposal(12) == proposal(12)
    assert len({tuple(proposal(12, seed).values()) for seed in range(4)}) == 4
    assert proposal(3, count=2) == proposal(3, count=0)  # the first ten are drawn at random
    assert proposal(12) != proposal(12, count=0)
    assert all(space[key].drawn_as(value) == value for key, value in proposal(12).items())


def test_a_value_keeps_four_digits_and_stays_within_its_domain() -> None:
    forms: dict[str, Any] = {"method.lr": {"loguniform": [0.00123416, 0.5]}, "method.warmup": {"integer": [1, 9]}}
    space = read_space(forms | {"method.sketch_teacher": {"choice": ["class", "itself"]}}, BASE)
    rate, warmup, teacher = space.values()
    assert [rate.value_of(drawn) for drawn in (0.00123418, 0.0123456)] == [0.00123416, 0.01235]
    assert [rate.drawn_as(value) for value in (0.00123416, 0.5, 0.6, "a", None)] == [0.00123416, 0.5, None, None, None]
    assert (warmup.value_of(3), warmup.drawn_as(9), warmup.drawn_as(2.5)) == (3, 9, None)
    assert (teacher.value_of(1), teacher.drawn_as("class"), teacher.drawn_as("it")) == ("itself", 0, None)


def test_a_choice_may_be_of_lists() -> None:
    base = TrainConfig(method={"name": "ama"})
    space = read_space({"method.granularities": {"choice": [[8, 16], [4, 8, 16]]}}, base)
    drawn = [propose(space, seed=seed, number=1, known=[]) for seed in range(8)]
    assert {str(point["method.granularities"]) for point in drawn} == {"[8, 16]", "[4, 8, 16]"}
    assert at_point(base, drawn[0]).method == {"name": "ama"} | {"granularities": drawn[0]["method.granularities"]}


def test_what_was_interrupted_comes_first_with_its_own_values_and_what_was_over_never_again(tmp_path: Path) -> None:
    space, journal = read_space({"method.lr": {"loguniform": [1e-4, 0.05]}}, BASE), Journal(open_store(str(tmp_path)))
    for known in [*TRIALS, trial(4, {2: 0.3}, point={"method.lr": 0.01})]:
        journal.write(known)
    proposals = Proposals(space, base=BASE, seed=0, journal=journal)
    given = [proposals.suggest("any") for _ in range(3)]
    assert given[:2] == [{"number": 3, "point": {"method.lr": 0.4}}, {"number": 4, "point": {"method.lr": 0.01}}]
    assert given[2]["number"] == 5
    assert [known.status for known in journal.trials()] == ["finished", "finished", "stopped"] + ["running"] * 3
    assert journal.read(4).curve == ((2, 0.3),)


def test_the_first_trial_has_the_recipes_own_values(tmp_path: Path) -> None:
    space, journal = read_space({"steps": {"integer": [9, 12]}}, BASE), Journal(open_store(str(tmp_path)))
    proposals = Proposals(space, base=BASE, seed=0, journal=journal)
    first, second = proposals.suggest("any"), proposals.suggest("any")
    assert first == {"number": 0, "point": {"steps": STEPS}}  # which lies outside of the space, and is never drawn
    assert 9 <= second["point"]["steps"] <= 12
    assert [known.steps for known in journal.trials()] == [STEPS, second["point"]["steps"]]


class Reported:
    """As Ray Tune's trials are: an identifier that is another in each session, and what was proposed."""

    def __init__(self, number: int, session: str) -> None:
        self.trial_id, self.config = f"{session}-{number}", {"number": number}


def halving(journal: Journal) -> Halving:
    return Halving(journal, metric="val", time_attr="step", max_t=4, grace_period=2, reduction_factor=2)


def test_halving_taken_up_again_decides_as_if_it_had_never_been_interrupted(tmp_path: Path) -> None:
    reports = [(0, 2, 0.5), (1, 2, 0.6), (2, 2, 0.2), (1, 4, 0.7), (0, 4, 0.1), (3, 2, 0.55), (3, 4, 0.3), (4, 2, 0.4)]

    def decisions(folder: Path, restart_after: int) -> list[str]:
        journal = Journal(open_store(str(folder)))
        for number in range(5):
            journal.write(trial(number, {}))
        scheduler, session, made = halving(journal), "a", []
        for count, (number, step, value) in enumerate(reports):
            if count == restart_after:
                scheduler, session = halving(journal), "b"
            if step == 2 or count == restart_after:
                scheduler.on_trial_add(None, Reported(number, session))
            made.append(scheduler.on_trial_result(None, Reported(number, session), {"step": step, "val": value}))
        statuses = [known.status for known in journal.trials()]
        assert statuses == ["finished", "finished", "stopped", "finished", "stopped"]
        return made

    whole = decisions(tmp_path / "whole", restart_after=-1)
    assert whole == ["CONTINUE", "CONTINUE", "STOP", *["CONTINUE"] * 3, "STOP", "STOP"]
    assert all(decisions(tmp_path / f"{cut}", restart_after=cut) == whole for cut in range(1, len(reports)))


def test_the_recipes_own_values_are_never_stopped(tmp_path: Path) -> None:
    journal = Journal(open_store(str(tmp_path)))
    for known in (trial(0, {}), trial(1, {2: 0.9})):
        journal.write(known)
    scheduler = halving(journal)
    scheduler.on_trial_add(None, Reported(0, "a"))
    assert scheduler.on_trial_result(None, Reported(0, "a"), {"step": 2, "val": 0.1}) == "CONTINUE"
    assert scheduler.on_trial_result(None, Reported(0, "a"), {"done": True}) == "CONTINUE"
    assert journal.read(0).curve == ((2, 0.1),)


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
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    values = search.model_dump(mode="json", exclude_unset=True)
    arguments = [sys.executable, "-m", "jobs.tune", *(f"{key}={json.dumps(value)}" for key, value in values.items())]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "log").open("wb") as log:
        job = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        finished = wait_for_a_finished_trial(job, tmp_path / "log")
        job.kill()
        job.wait()
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"trial {finished}:" not in done.stderr
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
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert job.poll() is None, log.read_text()[-4000:]
        for line in log.read_text().splitlines():
            words = line.replace(":", " ").replace(",", " ").split()
            if words[:1] == ["trial"] and words[2:4] == ["step", str(STEPS)]:
                return int(words[1])
        time.sleep(0.1)
    raise AssertionError(f"no trial finished: {log.read_text()[-4000:]}")
