"""The kill matrix of benchmarks/training.md in small, and how it reads off what a kill cost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.training_cluster import nodes
from benchmarks.training_kills import HEAD_CPUS, Outcome, matrix, parts
from benchmarks.training_watch import Steps, loss_of

EVERY = 20


def read(steps: Steps, killed: float) -> tuple[int, float]:
    loss = loss_of(steps, killed)
    assert loss is not None
    return loss.steps, round(loss.seconds, 3)


def test_what_a_kill_cost_is_read_off_the_log_of_steps() -> None:
    before = [(10.0 + done / 10, done) for done in range(1, 26)]  # the 25th at 12.5; a checkpoint after the 20th
    after = [(20.0 + done, 20 + done) for done in range(1, 9)]
    assert read(before + after, 12.55) == (5, 8.45)
    assert loss_of(before, 12.55) is None


def test_a_kill_at_a_checkpoint_may_cost_no_step_and_one_before_the_first_step_none_either() -> None:
    assert read([(11.0, 19), (11.1, 20), (19.1, 21)], 11.1) == (0, 8.0)
    assert read([(19.0, 1), (19.1, 2)], 12.0) == (0, 7.0)
    assert loss_of([], 12.0) is None


def test_the_steps_of_the_other_worker_before_it_noticed_are_lost_too() -> None:
    assert read([(11.0, 24), (11.5, 25), (19.0, 21), (19.5, 22), (20.0, 26)], 11.2) == (5, 7.8)


@pytest.fixture
def outcomes(mini_root: Path, tmp_path: Path) -> Callable[[str], list[Outcome]]:
    """Give ``outcomes(part)``: what became of a part's cases, on a cluster of its own."""
    encoder = json.dumps({"backbone": "tiny-test", "image_size": 64, "dim": 8})
    arguments = [f"data.root={mini_root}", f"encoder={encoder}", "method={name: finetune}", "prepare_per_class=4"]
    arguments += ["sketch_batch=8", "photo_batch=8"]

    def measure(name: str) -> list[Outcome]:
        with nodes(tmp_path / "cluster", head_cpus=HEAD_CPUS) as cluster:
            return matrix(cluster, tmp_path / name, parts(EVERY)[name], arguments=arguments, every=EVERY)

    return measure


@pytest.mark.slow
@pytest.mark.full
def test_no_kill_costs_more_than_the_work_since_the_last_checkpoint(outcomes: Callable[[str], list[Outcome]]) -> None:
    found = outcomes("fixed")
    assert len(found) == 6
    assert all(outcome.loss.steps <= 2 * EVERY for outcome in found)  # a checkpoint may be on its way
    assert {outcome.workers for outcome in found} == {2}
    assert {outcome.difference for outcome in found} == {0}


@pytest.mark.slow
@pytest.mark.full
def test_fewer_workers_go_on_with_the_same_batches_and_a_node_that_joins_gets_one(
    outcomes: Callable[[str], list[Outcome]],
) -> None:
    found = outcomes("elastic")
    assert [outcome.workers for outcome in found] == [1, 2, 2]
    assert all(outcome.loss.steps <= 2 * EVERY for outcome in found)
    assert all(outcome.difference < 1e-8 for outcome in found)  # another number of workers adds in another order
