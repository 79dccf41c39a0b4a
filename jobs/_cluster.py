"""The one way a job joins Ray: the cluster it was submitted to, or a local one when it is run by hand."""

import logging
import os
from pathlib import Path

import ray
import ray.data

LOGICAL_CPUS_PER_CORE = 4
# Ray Train tells of every report by a logger that it names after its own file.
RAY_TRAIN_REPORTS = str(Path(ray.__file__).parent / "train/v2/_internal/execution/context.py")
# It warns of the token that it gives every local Ray, and how to do without.
OF_THE_TOKEN = "ray._private.authentication.authentication_token_setup"
PATIENCE = ("RAY_raylet_start_wait_time_s", "120")  # Ray's 30 s are too few where the machine is slow and busy

_ours = False  # whether the connection of this process is one that `connect` made


def connect(*, worker_logs: bool = True) -> None:
    """Join the cluster in ``RAY_ADDRESS`` (``ray job submit`` sets it), or start a local one that ends with us.

    Without an address no other cluster of this machine is joined. A local Ray has more logical CPUs than cores, since
    two trainers at one CPU each would leave none for decoding.

    Args:
        worker_logs: print the workers' log lines here; without, they are only in Ray's own logs.
    """
    global _ours  # noqa: PLW0603 - as Ray's own connection, it belongs to the process
    quiet()
    if ray.is_initialized():
        return
    _ours = True
    if address := os.environ.get("RAY_ADDRESS"):
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=worker_logs)
    else:
        logging.getLogger(OF_THE_TOKEN).setLevel(logging.ERROR)
        os.environ.setdefault(*PATIENCE)
        cpus = LOGICAL_CPUS_PER_CORE * (os.cpu_count() or 1)
        ray.init(address="local", num_cpus=cpus, logging_level=logging.WARNING, log_to_driver=worker_logs)
    _statistics_here()


def _statistics_here() -> None:
    """Start Ray Data's one statistics actor on this node.

    Else it starts on the node of the first worker that uses Ray Data, outlives the job, and keeps the autoscaler from
    ever taking that node for idle.
    """
    from ray.data._internal.stats import get_or_create_stats_actor

    get_or_create_stats_actor()


def leave() -> None:
    """Leave the cluster that `connect` joined; after this, no line of a worker's log is printed here any more."""
    global _ours  # noqa: PLW0603
    if _ours:
        ray.shutdown()
        _ours = False


def quiet() -> None:
    """Let Ray's libraries speak only of what is wrong, in this process: the job draws its own progress."""
    for name in ("ray.data", "ray.train", RAY_TRAIN_REPORTS, "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
