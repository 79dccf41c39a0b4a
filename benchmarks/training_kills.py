"""Kill parts of a training run, one after the other, and measure what was lost and how long it took: the kill matrix.

    python -m benchmarks.training_kills [--part fixed|elastic] [--recipe NAME] [--every STEPS] [key=value ...]

Each part is one run of `python -m jobs.train` (with a log of its steps) on three Ray nodes of this machine: a head that
decodes, and two nodes with room for one worker each. What is killed is killed by SIGKILL, a node with all its processes
at once. The run is ended one checkpoint after the last of it, and its losses are compared with those of a run of the
same arguments that nobody disturbed.
"""

import argparse
import math
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
ELASTIC = ("resources.min_workers=1", "resources.grow_every_s=5")
# One worker adds up in another order than two: in float64 the difference stays too small to grow within a run.
EXACT = ("compute.precision=fp64",)
LONG = 200  # checkpoints, more than any machine gets to: until a node that joins is seen, training goes on


class Case(NamedTuple):
    """What happens.

    Attributes:
        what: in words.
        after: so many steps after a checkpoint; None while the workers set up.
        act: does it, and returns the moment of it, seconds since the epoch.
    """

    what: str
    after: int | None
    act: Callable[[Nodes, Run], float]


class Part(NamedTuple):
    """Cases of one run, in their order; arguments of it and of the undisturbed one, and arguments of it alone."""

    cases: Sequence[Case]
    arguments: Sequence[str] = ()
    alone: Sequence[str] = ()


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


def kill_worker(cluster: Nodes, _run: Run) -> float:
    """Kill one of the two workers' processes."""
    cluster.train_workers()[-1].kill()
    return time.time()


def lose_node(cluster: Nodes, _run: Run) -> float:
    """Kill a node with a worker on it; none comes."""
    kill_node(cluster.node_with_rank())
    return time.time()


def replace_node(cluster: Nodes, run: Run) -> float:
    """Kill a node with a worker on it; another one comes."""
    killed = lose_node(cluster, run)
    cluster.fill(2, cpus=NODE_CPUS)
    return killed


def add_node(cluster: Nodes, run: Run) -> float:
    """Let a node join where one was missing; the moment is that of the smaller group's last step."""
    cluster.fill(2, cpus=NODE_CPUS)
    run.wait_until(lambda: len(cluster.train_workers()) == 2, "two workers")
    return run.steps()[-1][0]


def kill_driver(_cluster: Nodes, run: Run) -> float:
    """Kill the job's own process; the command is given again at once."""
    run.kill()
    killed = time.time()
    run.start()
    return killed


def parts(every: int) -> dict[str, Part]:
    """Return the matrix; `every` is the number of steps between two checkpoints."""
    fixed = [
        Case("a worker", None, kill_worker),
        Case("a worker", every // 2, kill_worker),
        Case("a worker", 0, kill_worker),
        Case("a node; another joins", every // 2, replace_node),
        Case("the driver; run again", every // 2, kill_driver),
        Case("the driver; run again", 0, kill_driver),
    ]
    elastic = [
        Case("a node; none joins", every // 2, lose_node),
        Case("nothing; a node joins", every // 2, add_node),
        Case("the driver; run again", every // 2, kill_driver),
    ]
    return {"fixed": Part(fixed), "elastic": Part(elastic, EXACT, ELASTIC)}


def matrix(cluster: Nodes, folder: Path, part: Part, *, arguments: Sequence[str], every: int) -> list[Outcome]:
    """Train twice, killed again and again and undisturbed, and compare.

    Args:
        cluster: its nodes that lack are started.
        folder: to be made; stores and logs go there.
        part: what is done.
        arguments: of the job, without its counts of steps.
        every: steps between two checkpoints.
    """
    folder.mkdir()
    counts = [f"{name}={every}" for name in ("checkpoint_every", "steps_per_epoch")] + [f"steps={LONG * every}"]
    arguments = [*arguments, *part.arguments, *counts, *ROOM]
    killed = Run([*arguments, *part.alone], cluster, folder / "killed")
    undisturbed = Run(arguments, cluster, folder / "undisturbed")
    cluster.fill(2, cpus=NODE_CPUS)
    killed.start()
    outcomes = [_measure(case, cluster, killed, every) for case in part.cases]
    end = outcomes[-1].step + every
    curve = killed.first_losses(end)
    undisturbed.start()
    pairs = zip(curve, undisturbed.first_losses(end), strict=True)
    apart = [abs(mine - theirs) / abs(theirs) for mine, theirs in pairs]
    resumed = [outcome.step - outcome.loss.steps for outcome in outcomes] + [end]
    spans = zip(outcomes, resumed, resumed[1:], strict=False)
    return [outcome._replace(difference=max(apart[begin:end])) for outcome, begin, end in spans]


def _measure(case: Case, cluster: Nodes, run: Run, every: int) -> Outcome:
    """Do one case at a checkpoint, or as long after it as it wants."""
    if case.after is None:
        run.wait_until(lambda: len(cluster.train_workers()) == 2, "two workers")
    else:
        # Beyond all that was done before the last case: a run that does steps again has not come to the next one.
        run.wait_for_step(every * (math.ceil(run.furthest() / every) + 1) + case.after)
    moment = case.act(cluster, run)
    run.wait_until(lambda: loss_of(run.steps(), moment) is not None, "step after that")
    loss = loss_of(run.steps(), moment)
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
    parser.add_argument("--part", choices=["fixed", "elastic"], help="one of the two runs; without, both")
    parser.add_argument("--recipe", default="finetune-tiny51")
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("overrides", nargs="*", default=[])
    args = parser.parse_args()
    arguments = ["--recipe", args.recipe, *args.overrides]
    print(HEADER)
    with (
        tempfile.TemporaryDirectory(prefix="kills-") as name,
        nodes(Path(name) / "cluster", head_cpus=HEAD_CPUS) as cluster,
    ):
        for which, part in parts(args.every).items():
            if args.part in (which, None):
                outcomes = matrix(cluster, Path(name) / which, part, arguments=arguments, every=args.every)
                print("\n".join(map(row, outcomes)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
