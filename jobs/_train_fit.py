"""One Ray Train run: its workers, their resources, where its checkpoints lie, and how it recovers."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import ray
import ray.train
from ray.train.torch import TorchTrainer

from jobs._checkpoints import Checkpoints
from jobs._process_group import NodeTorchConfig
from jobs._tracking_run import RunTracking
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData
from jobs._train_worker import Worker
from sketchray.storage import Store

# Ray Train retries what fails in a worker, but not a process group that could not be set up.
SETUP_ATTEMPTS = 3

# glibc gives the memory of each step's tensors back to the kernel, which hands it out again page by page in the next:
# up to half of a step's time on a CPU. Setting either of the two ends its own adjustment of both, so both are set.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}


def fit(
    config: TrainConfig,
    data: TrainData,
    *,
    store: Store,
    name: str,
    board: Any = None,
    ship: Callable[[Worker], None] | None = None,
    callbacks: Sequence[Any] = (),
) -> Checkpoints:
    """Train, or go on from the last checkpoint of the run of this name; return the run's checkpoints.

    Args:
        config: the run.
        data: what it reads.
        store: where its checkpoints lie, under ``runs/<name>``.
        name: the run's; it is what finds the checkpoints again.
        board: the progress board's actor handle, None to show no progress.
        ship: called on every worker after the last step.
        callbacks: Ray Train's own.

    Raises:
        ray.train.TrainingFailedError: it failed more often than the configuration allows.
    """
    shared = ray.put(data)
    place = store.child(f"runs/{name}")
    checkpoints = Checkpoints(place, criterion=config.criterion)

    def train_loop() -> None:
        worker = Worker(config, ray.get(shared), checkpoints)
        worker.run(board, RunTracking(config, store=place, name=name, step=worker.step, rank=worker.rank))
        if ship is not None:
            ship(worker)

    for attempt in range(1, SETUP_ATTEMPTS + 1):
        try:
            trainer(config, train_loop, store=store, name=name, callbacks=callbacks).fit()
            return checkpoints
        except ray.train.ControllerError as error:
            if attempt == SETUP_ATTEMPTS:
                raise
            print(f"{name}: attempt {attempt} of {SETUP_ATTEMPTS} failed: {error}", file=sys.stderr, flush=True)
    raise AssertionError("unreachable")


def trainer(
    config: TrainConfig, train_loop: Callable[[], None], *, store: Store, name: str, callbacks: Sequence[Any] = ()
) -> TorchTrainer:
    """Set up Ray Train: workers and their resources, and how often it may start them anew."""
    resources = config.resources
    filesystem, base = store.arrow()
    run_config: Any = ray.train.RunConfig  # type checkers see the one of Ray Train's first version
    return TorchTrainer(
        train_loop,
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.worlds,  # type: ignore[arg-type]  # checked against the first version's too
            use_gpu=resources.gpu,
            resources_per_worker={"CPU": resources.cpus} | ({"GPU": 1} if resources.gpu else {}),
        ),
        torch_config=NodeTorchConfig(backend="nccl" if resources.gpu else "gloo", timeout_s=120),
        run_config=run_config(
            name=name,
            storage_path=f"{base}/runs",
            storage_filesystem=filesystem,
            failure_config=ray.train.FailureConfig(max_failures=resources.max_failures),
            callbacks=list(callbacks),
            worker_runtime_env={"env_vars": KEEP_MEMORY},
        ),
    )
