"""The train job, which also writes down when each step was done: what `benchmarks.training_kills` kills and watches.

python -m benchmarks.training_kills_job --recipe NAME key=value ...
"""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs import train
from jobs._cli import run_verb
from jobs._train_config import TrainConfig

STEP_LOG = "SKETCHRAY_STEP_LOG"  # names the file


@ray.remote(num_cpus=0)
class StepLog:
    """In the place of the progress bar's board: a line for each step, the seconds since the epoch and its number."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def post(self, done: int, _note: str) -> None:
        """Write down a step."""
        with self._path.open("a") as file:
            file.write(f"{time.time():.3f} {done}\n")


@contextlib.contextmanager
def step_log(_total: int, _label: str, **_: Any) -> Iterator[Any]:
    """Stand in for `jobs._progress.remote_progress`; the log is written on the node of this process."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    log = StepLog.options(scheduling_strategy=here).remote(Path(os.environ[STEP_LOG]))  # type: ignore[attr-defined]
    yield log
    ray.kill(log)


if __name__ == "__main__":
    sys.exit(run_verb("train", TrainConfig, functools.partial(train.run, progress=step_log), doc=__doc__))
