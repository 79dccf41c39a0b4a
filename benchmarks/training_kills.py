"""Kill parts of a training run, one after the other, and measure what was lost and how long it took: the kill matrix.

    python -m benchmarks.training_kills [--recipe NAME] [--every STEPS] [key=value ...]

One run of `python -m jobs.train` (with a log of its steps) on three Ray nodes of this machine: a head that decodes, and
two nodes with room for one worker each. What is killed is killed by SIGKILL, a node with all its processes at once. The
run's losses are compared with those of a run of the same arguments that nobody disturbed.
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
ELASTIC = "resources.min_workers=1"


class Case(NamedTuple):
    """What is killed, and how many steps after the last checkpoint; None while the workers set up."""

    what: str
    after: int | None
    kill: Callable[[Nodes, Run], None]


class Outcome(NamedTuple):
    """What became of a case.

    Attributes:
        case: what was done.
        step: how many steps were done then.
        loss: what it cost.
        workers: how many went on.
        difference: the largest relative one between its losses, from there to the next case, and the undisturbed run's.
    """

    case: Case
    step: int
    loss: Loss
    workers: int
    difference: float = 0.0


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
    """Kill the job's own process; the command is given again at once, and now allows a single worker too."""
    run.kill()
    run.start(ELASTIC)


def cases(every: int) -> list[Case]:
    """Return the matrix in its order; `every` is the number of steps between two checkpoints."""
    return [
        Case("a worker", None, kill_worker),
        Case("a worker", every // 2, kill_worker),
        Case("a worker", 0, kill_worker),
        Case("a node; another joins", every // 2, replace_node),
        Case("the driver; run again", every // 2, kill_driver),
        Case("the driver; run again", 0, kill_driver),
        Case("a node; none joins (elastic)", every // 2, lose_node),
    ]


def matrix(cluster: Nodes, folder: Path, *, arguments: Sequence[str], every: int) -> list[Outcome]:
    """Train twice, undisturbed and killed again and again, and compare.

    Args:
        cluster: with its head alone.
        folder: to be made; stores and logs go there.
        arguments: of the job, without its counts of steps.
        every: steps between two checkpoints; a case takes two such spans.
    """
    steps = (2 * len(cases(every)) + 1) * every
    counts = [f"{name}={every}" for name in ("checkpoint_every", "steps_per_epoch")] + [f"steps={steps}"]
    cluster.fill(2, cpus=NODE_CPUS)
    undisturbed = Run([*arguments, *counts, *ROOM], cluster, folder / "undisturbed")
    undisturbed.start()
    undisturbed.finish()
    run = Run([*arguments, *counts, *ROOM], cluster, folder / "killed")
    run.start()
    outcomes = [_measure(case, cluster, run, 2 * every * place) for place, case in enumerate(cases(every))]
    run.finish()
    pairs = zip(run.curve(), undisturbed.curve(), strict=True)
    apart = [abs(mine["loss"] - theirs["loss"]) / abs(theirs["loss"]) for mine, theirs in pairs]
    begins = [outcome.step - outcome.loss.steps for outcome in outcomes] + [steps]
    spans = zip(outcomes, begins, begins[1:], strict=False)
    return [outcome._replace(difference=max(apart[begin:end])) for outcome, begin, end in spans]


def _measure(case: Case, cluster: Nodes, run: Run, checkpoint: int) -> Outcome:
    """Do one case at the checkpoint at this step, or as long after it as it wants."""
    if case.after is None:
        run.wait_until(lambda: len(cluster.train_workers()) == 2, "two workers")
    else:
        run.wait_for_step(checkpoint + case.after)
    killed = time.time()
    case.kill(cluster, run)
    run.wait_until(lambda: loss_of(run.steps(), killed) is not None, "step after that")
    loss = loss_of(run.steps(), killed)
    assert loss is not None
    outcome = Outcome(case, loss.furthest, loss, len(cluster.train_workers()))
    print(f"{case.what}: {loss.steps} steps lost, {loss.seconds:.1f} s, {outcome.workers} workers", file=sys.stderr)
    return outcome


HEADER = """| killed | when | steps lost | seconds to the next step | workers then | losses from there on |
|---|---|---|---|---|---|"""


def row(outcome: Outcome) -> str:
    """Return a row of the table."""
    case, loss = outcome.case, outcome.loss
    when = f"after step {outcome.step}" + (", as a checkpoint is written" if case.after == 0 else "")
    when = when if case.after is not None else "while the workers set up"
    losses = "the same" if outcome.difference == 0 else f"within {outcome.difference:.1e}"
    return f"| {case.what} | {when} | {loss.steps} | {loss.seconds:.1f} | {outcome.workers} | {losses} |"


def main() -> int:
    """Print the kill matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="finetune-tiny51")
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("overrides", nargs="*", default=[])
    args = parser.parse_args()
    arguments = ["--recipe", args.recipe, *args.overrides]
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        with nodes(folder / "cluster", head_cpus=HEAD_CPUS) as cluster:
            outcomes = matrix(cluster, folder, arguments=arguments, every=args.every)
    print("\n".join([HEADER, *map(row, outcomes)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
