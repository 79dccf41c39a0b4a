"""One Ray Train run: its workers, their resources, where its checkpoints lie, and how it recovers."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import ray
import ray.train
from ray.train.torch import TorchTrainer

from jobs._checkpoints import Checkpoints
from jobs._driver import Driver
from jobs._process_group import PATIENCE_S, NodeTorchConfig
from jobs._tracking_run import RunTracking
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData
from jobs._train_worker import Worker
from sketchray.config import digest
from sketchray.storage import Store

# Ray Train retries what fails in a worker, but not a process group that could not be set up. So often it is tried in a
# row; a checkpoint between two failures begins a new row.
SETUP_ATTEMPTS = 3

# Where the number of workers may change, Ray Train asks for as many as the nodes have room for, and it looks at the
# nodes every twenty seconds: just after one is lost it asks for too many. After so many seconds in vain it looks again
# and asks for fewer; its own default is 60.
LOOK_AGAIN = ("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "20")

# At each look Ray Train takes one report from a worker, and a run ends when it has taken all: at its own two seconds a
# run of quick steps waits longer for that than it trains. It also sees at a look that a worker died.
LOOK_EVERY = ("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.25")

# glibc gives the memory of each step's tensors back to the kernel, which hands it out again page by page in the next:
# up to half of a step's time on a CPU. Setting either of the two ends its own adjustment of both, so both are set.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}


def fit(
    config: TrainConfig,
    data: TrainData,
    *,
    store: Store,
    name: str,
    driver: Driver | None = None,
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
        driver: of the run; its workers begin, keep and ship nothing once another process has taken over. None where
            nobody else may come.
        board: the progress board's actor handle, None to show no progress.
        ship: called on every worker after the last step.
        callbacks: Ray Train's own.

    Raises:
        ray.train.TrainingFailedError: it failed more often than the configuration allows.
    """
    if config.resources.min_workers is not None:
        os.environ.setdefault(*LOOK_AGAIN)  # Ray Train takes either from nowhere else
    os.environ.setdefault(*LOOK_EVERY)
    shared = ray.put(data)
    place = store.child(f"runs/{name}")
    checkpoints = Checkpoints(place, criterion=config.criterion, driver=driver)

    def train_loop() -> None:
        checkpoints.check_driver()  # also when Ray Train begins again, since the last one failed by this
        worker = Worker(config, ray.get(shared), checkpoints)
        worker.run(board, RunTracking(config, store=place, name=name, step=worker.step, rank=worker.rank))
        if ship is not None:
            checkpoints.check_driver()
            ship(worker)

    attempt, reached = 1, checkpoints.last()
    while True:
        try:
            trainer(config, train_loop, store=store, name=name, callbacks=callbacks).fit()
            return checkpoints
        except ray.train.ControllerError as error:
            before, reached = reached, checkpoints.last()
            attempt = attempt if reached == before else 1
            if attempt == SETUP_ATTEMPTS:
                raise
            print(f"{name}: attempt {attempt} of {SETUP_ATTEMPTS} failed: {error}", file=sys.stderr, flush=True)
            attempt += 1


def trainer(
    config: TrainConfig, train_loop: Callable[[], None], *, store: Store, name: str, callbacks: Sequence[Any] = ()
) -> TorchTrainer:
    """Set up Ray Train: workers and their resources, and how often it may start them anew."""
    resources = config.resources
    filesystem, base = store.arrow()
    run_config: Any = ray.train.RunConfig  # type checkers see the one of Ray Train's first version
    made: Any = TorchTrainer(
        train_loop,
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.worlds,  # type: ignore[arg-type]  # checked against the first version's too
            elastic_resize_monitor_interval_s=resources.grow_every_s,  # type: ignore[call-arg]  # likewise
            use_gpu=resources.gpu,
            resources_per_worker={"CPU": resources.cpus} | ({"GPU": 1} if resources.gpu else {}),
        ),
        torch_config=NodeTorchConfig(backend="nccl" if resources.gpu else "gloo", timeout_s=PATIENCE_S),
        run_config=run_config(
            name=name,
            storage_path=f"{base}/runs",
            storage_filesystem=filesystem,
            failure_config=ray.train.FailureConfig(max_failures=resources.max_failures),
            callbacks=list(callbacks),
            worker_runtime_env={"env_vars": KEEP_MEMORY},
        ),
    )
    # Under its id the run claims its part of the nodes, and the claim of a driver that was killed stands for three
    # minutes more. With a new id for each driver, as Ray Train has it, an elastic run would wait for that to pass.
    object.__setattr__(made.train_run_context, "run_id", digest({"base": base, "name": name}))
    return made  # type: ignore[no-any-return]  # type checkers see the trainer of the first version too
