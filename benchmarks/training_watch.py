"""A training run as a process: its steps while they happen, and its losses."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.training_cluster import Nodes
from benchmarks.training_kills_job import STEP_LOG
from jobs._checkpoints import Checkpoints
from sketchray.storage import open_store

PATIENCE_S = 400.0
PAUSE_S = 5.0  # a pause between two steps that is longer is no step but a restart

Steps = list[tuple[float, int]]  # the seconds since the epoch at which a step was done, and its number


class Run:
    """One run of the train job; started again, the same run.

    Args:
        arguments: of the job.
        cluster: where it runs.
        folder: to be made, of its logs and its store.
    """

    def __init__(self, arguments: Sequence[str], cluster: Nodes, folder: Path) -> None:
        folder.mkdir()
        self._command = [sys.executable, "-m", "benchmarks.training_kills_job", *arguments]
        store = f"file://{folder / 'store'}"
        self._log, self._store = folder / "steps", open_store(store)
        variables = cluster.head.client_env() | {"SKETCHRAY_STORE": store, STEP_LOG: str(self._log)}
        self._environment = os.environ | variables
        self._output = folder / "job.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Give the command, and more arguments; its output is appended to a log."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, *more], env=self._environment, stdout=output, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """Kill the job's own process, and nothing else."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def wait_for_step(self, step: int) -> None:
        """Wait until a step is done."""
        self.wait_until(lambda: self.furthest() >= step, f"step {step}")

    def wait_until(self, true: Callable[[], bool], what: str) -> None:
        """Look ten times a second.

        Raises:
            RuntimeError: the job ended, or it took too long.
        """
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no {what}: {self._output.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def steps(self) -> Steps:
        """Return what the step log has so far."""
        if not self._log.exists():
            return []
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return [(float(line[0]), int(line[1])) for line in lines if len(line) == 2]

    def furthest(self) -> int:
        """Return the number of the furthest step that was ever done, 0 before the first."""
        return max((done for _, done in self.steps()), default=0)

    def first_losses(self, steps: int) -> list[float]:
        """Wait until the losses of so many steps are stored, end the job, and return them."""
        self.wait_until(lambda: len(self._losses()) >= steps, f"{steps} losses in the store")
        self.kill()
        return self._losses()[:steps]

    def _losses(self) -> list[float]:
        names = {entry.key.split("/")[1] for entry in self._store.list("runs/")}
        curves = [Checkpoints(self._store.child(f"runs/{name}"), criterion=None).curve() for name in names]
        return [terms["loss"] for curve in curves for terms in curve]


class Loss(NamedTuple):
    """What a kill cost: steps to do again, and seconds to the next step; and how many had been done at the furthest."""

    steps: int
    seconds: float
    furthest: int


def loss_of(steps: Steps, killed: float) -> Loss | None:
    """Read off a step log what a kill at some moment cost; None while no step has been done since."""
    furthest, last = 0, killed
    for moment, done in steps:
        if moment > killed and (done <= furthest or moment - max(last, killed) > PAUSE_S):
            return Loss(furthest - (done - 1), moment - killed, furthest)
        furthest, last = max(furthest, done), moment
    return None
