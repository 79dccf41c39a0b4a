"""The kill matrix of benchmarks/training.md in small, and how it reads off what a kill cost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.training_cluster import Nodes, nodes
from benchmarks.training_kills import HEAD_CPUS, cases, measure, undisturbed_run
from benchmarks.training_watch import Run, Steps, loss_of

EVERY, STEPS = 100, 500


def read(steps: Steps, killed: float) -> tuple[int, float, float]:
    loss = loss_of(steps, killed)
    assert loss is not None
    return loss.steps, round(loss.stepping_s, 3), round(loss.caught_up_s, 3)


def test_what_a_kill_cost_is_read_off_the_log_of_steps() -> None:
    before = [(10.0 + done / 10, done) for done in range(1, 26)]  # the 25th at 12.5; a checkpoint after the 20th
    after = [(20.0 + done, 20 + done) for done in range(1, 9)]
    assert read(before + after, 12.55) == (5, 8.45, 13.45)


def test_a_kill_at_a_checkpoint_may_cost_no_step_and_one_before_the_first_step_none_either() -> None:
    assert read([(11.0, 19), (11.1, 20), (19.1, 21)], 11.1) == (0, 8.0, 8.0)
    assert read([(19.0, 1), (19.1, 2)], 12.0) == (0, 7.0, 7.0)


def test_nothing_is_read_off_before_it_steps_again() -> None:
    assert loss_of([(10.0, 1), (10.1, 2)], 10.05) is None
    assert loss_of([], 10.0) is None


def test_the_steps_of_the_other_worker_before_it_noticed_are_lost_too() -> None:
    assert read([(11.0, 24), (11.5, 25), (19.0, 21), (19.5, 22), (20.0, 26)], 11.2) == (5, 7.8, 8.8)


@pytest.fixture(scope="module")
def arguments(mini_root: Path) -> list[str]:
    encoder = json.dumps({"backbone": "tiny-test", "image_size": 64, "dim": 8})
    counts = [f"steps={STEPS}", f"checkpoint_every={EVERY}", f"steps_per_epoch={EVERY}", "prepare_per_class=4"]
    return [f"data.root={mini_root}", f"encoder={encoder}", "method={name: finetune}", *counts]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with nodes(tmp_path_factory.mktemp("cluster"), head_cpus=HEAD_CPUS) as started:
        yield started


@pytest.fixture(scope="module")
def undisturbed(cluster: Nodes, arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return undisturbed_run(cluster, tmp_path_factory.mktemp("runs") / "undisturbed", arguments=arguments)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.parametrize("name", list(cases(EVERY)))
def test_no_kill_costs_more_than_the_work_since_the_last_checkpoint(
    name: str, cluster: Nodes, arguments: list[str], undisturbed: Run, tmp_path: Path
) -> None:
    outcome = measure(cases(EVERY)[name], cluster, tmp_path / "run", arguments=arguments, undisturbed=undisturbed)
    assert outcome.loss.steps <= EVERY
    assert outcome.workers == (1 if name == "shrink" else 2)
    if name == "shrink":  # another number of workers adds in another order
        assert outcome.difference < 1e-2
    else:
        assert (outcome.difference, outcome.same_encoder) == (0, True)
