"""A training run as a process: its steps while they happen, its losses and its encoder afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.training_cluster import Nodes
from benchmarks.training_kills_job import STEP_LOG
from jobs._checkpoints import Checkpoints, Metrics
from sketchray.storage import open_store

PATIENCE_S = 180.0
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

    def finish(self) -> None:
        """Wait for the end.

        Raises:
            RuntimeError: it failed, or did not come to its end in time.
        """
        assert self._process is not None
        try:
            status = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            status = None
        if status != 0:
            raise RuntimeError(f"the job ended with {status}: {self._output.read_text(errors='replace')[-3000:]}")

    def wait_for_step(self, step: int) -> None:
        """Wait until a step is done."""
        self.wait_until(lambda: any(done >= step for _, done in self.steps()), f"step {step}")

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

    def result(self) -> dict[str, Any]:
        """Return what the job printed last."""
        last: dict[str, Any] = json.loads(self._output.read_text(errors="replace").splitlines()[-1])
        return last

    def curve(self) -> list[Metrics]:
        """Return the loss terms of every step."""
        return Checkpoints(self._store.child(f"runs/{self.result()['run']}"), criterion=None).curve()


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
