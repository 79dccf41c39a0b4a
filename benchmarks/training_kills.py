"""Kill parts of a training run, and measure what was lost and how long it took: the kill matrix.

    python -m benchmarks.training_kills [--recipe NAME] [--cases worker,node] [key=value ...]

Every case is a fresh run of `python -m jobs.train` (with a log of its steps) on three Ray nodes of this machine: a head
that decodes, and two nodes with room for one worker each. What is killed is killed by SIGKILL, a node with all its
processes at once. Its losses are compared with those of a run that nobody disturbed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.training_cluster import Nodes, kill_node, nodes
from benchmarks.training_watch import Loss, Run, loss_of

# A worker asks for two CPUs of a node's three, the head has none for it: a node takes one worker, and decoding.
HEAD_CPUS, NODE_CPUS = 1, 3
ROOM = ("resources.cpus=2", "resources.max_failures=10")


class Case(NamedTuple):
    """What is killed, when, and what is asked of the cluster meanwhile."""

    what: str
    when: str
    wait: Callable[[Nodes, Run], None]
    kill: Callable[[Nodes, Run], None]
    overrides: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """What became of a case: what was lost, how many went on, how far the losses are from an undisturbed run's."""

    case: Case
    loss: Loss
    workers: int
    difference: float
    same_encoder: bool


def at_step(step: int) -> Callable[[Nodes, Run], None]:
    """Wait for a step to be done."""
    return lambda _nodes, run: run.wait_for_step(step)


def at_setup(cluster: Nodes, run: Run) -> None:
    """Wait for the workers' processes, which have not met yet."""
    run.wait_until(lambda: len(cluster.train_workers()) == 2, "two workers")


def kill_worker(cluster: Nodes, _run: Run) -> None:
    """Kill one of the two workers' processes."""
    cluster.train_workers()[-1].kill()


def replace_node(cluster: Nodes, _run: Run) -> None:
    """Kill a node with a worker on it; another one comes."""
    kill_node(cluster.node_with_rank())
    cluster.fill(2, cpus=NODE_CPUS)


def lose_node(cluster: Nodes, _run: Run) -> None:
    """Kill a node with a worker on it; none comes."""
    kill_node(cluster.node_with_rank())


def kill_driver(_cluster: Nodes, run: Run) -> None:
    """Kill the job's own process; the same command is given again at once."""
    run.kill()
    run.start()


def cases(every: int) -> dict[str, Case]:
    """Return the matrix by short names; `every` is the number of steps between two checkpoints."""
    middle, after = 2 * every + every // 2, 2 * every
    between = f"in step {middle + 1}, {middle - after} after a checkpoint"
    return {
        "setup": Case("a worker", "while the workers set up", at_setup, kill_worker),
        "worker": Case("a worker", between, at_step(middle), kill_worker),
        "checkpoint": Case("a worker", f"as checkpoint {after} is written", at_step(after), kill_worker),
        "node": Case("a node; another joins", between, at_step(middle), replace_node),
        "shrink": Case(
            "a node; none joins (elastic)", between, at_step(middle), lose_node, ("resources.min_workers=1",)
        ),
        "driver": Case("the driver; run again", between, at_step(middle), kill_driver),
        "driver-checkpoint": Case(
            "the driver; run again", f"as checkpoint {after} is written", at_step(after), kill_driver
        ),
    }


def start(cluster: Nodes, folder: Path, *arguments: str) -> Run:
    """Start a fresh run once both nodes are there."""
    folder.mkdir()
    cluster.fill(2, cpus=NODE_CPUS)
    run = Run([*arguments, *ROOM], cluster, folder)
    run.start()
    return run


def undisturbed_run(cluster: Nodes, folder: Path, *, arguments: Sequence[str]) -> Run:
    """Train without a disturbance."""
    run = start(cluster, folder, *arguments)
    run.finish()
    return run


def measure(case: Case, cluster: Nodes, folder: Path, *, arguments: Sequence[str], undisturbed: Run) -> Outcome:
    """Do one case.

    Args:
        case: what is done.
        cluster: where; nodes that are lost are not started again here.
        folder: to be made; store and logs go there.
        arguments: of the job.
        undisturbed: a finished run of the same arguments.
    """
    run = start(cluster, folder, *arguments, *case.overrides)
    case.wait(cluster, run)
    killed = time.time()
    case.kill(cluster, run)
    run.wait_until(lambda: loss_of(run.steps(), killed) is not None, "step after that")
    workers = len(cluster.train_workers())
    run.finish()
    loss = loss_of(run.steps(), killed)
    assert loss is not None
    pairs = zip(run.curve(), undisturbed.curve(), strict=True)
    difference = max(abs(mine["loss"] - theirs["loss"]) / abs(theirs["loss"]) for mine, theirs in pairs)
    return Outcome(case, loss, workers, difference, run.encoder() == undisturbed.encoder())


def row(outcome: Outcome) -> str:
    """Return a row of the table."""
    case, loss = outcome.case, outcome.loss
    losses = "the same" if outcome.difference == 0 else f"within {outcome.difference:.1e}"
    encoder = "the same" if outcome.same_encoder else "another"
    seconds = (f"{loss.stepping_s:.1f}", f"{loss.caught_up_s:.1f}")
    cells = (case.what, case.when, loss.steps, *seconds, outcome.workers, losses, encoder)
    return f"| {' | '.join(map(str, cells))} |"


HEADER = """| killed | when | steps lost | s to the next step | s to where it was | workers then | losses | encoder |
|---|---|---|---|---|---|---|---|"""


def main() -> int:
    """Print the kill matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="finetune-tiny51")
    parser.add_argument("--every", type=int, default=20, help="steps between two checkpoints")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--cases", default=",".join(cases(20)), help="some of them, with commas between")
    parser.add_argument("overrides", nargs="*", default=[])
    args = parser.parse_args()
    given = [f"checkpoint_every={args.every}", f"steps_per_epoch={args.every}", f"steps={args.steps}", *args.overrides]
    arguments = ["--recipe", args.recipe, *given]
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as name,
        nodes(Path(name) / "cluster", head_cpus=HEAD_CPUS) as cluster,
    ):
        undisturbed = undisturbed_run(cluster, Path(name) / "undisturbed", arguments=arguments)
        print(HEADER, flush=True)
        for short in args.cases.split(","):
            case, folder = cases(args.every)[short], Path(name) / short
            outcome = measure(case, cluster, folder, arguments=arguments, undisturbed=undisturbed)
            print(row(outcome), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
