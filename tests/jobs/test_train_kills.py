"""The kill matrix of benchmarks/training.md in small, and how it reads off what a kill cost."""

import json
from pathlib import Path

import pytest

from benchmarks.training_cluster import nodes
from benchmarks.training_kills import HEAD_CPUS, matrix
from benchmarks.training_watch import Steps, loss_of

EVERY = 100


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


@pytest.mark.slow
@pytest.mark.full
def test_no_kill_costs_more_than_the_work_since_the_last_checkpoint(mini_root: Path, tmp_path: Path) -> None:
    encoder = json.dumps({"backbone": "tiny-test", "image_size": 64, "dim": 8})
    arguments = [f"data.root={mini_root}", f"encoder={encoder}", "method={name: finetune}", "prepare_per_class=4"]
    with nodes(tmp_path / "cluster", head_cpus=HEAD_CPUS) as cluster:
        outcomes = matrix(cluster, tmp_path, arguments=arguments, every=EVERY)
    assert len(outcomes) == 7
    assert all(outcome.loss.steps <= 2 * EVERY for outcome in outcomes)  # a checkpoint may be on its way
    assert [outcome.workers for outcome in outcomes] == [2] * 6 + [1]
    assert [outcome.difference for outcome in outcomes[:6]] == [0] * 6
    assert outcomes[6].difference < 1e-2  # another number of workers adds in another order
