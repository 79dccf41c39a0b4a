"""Train a sketch encoder by teacher/student distillation on Ray Train; the result is an encoder package in the store.

    python -m jobs.train --recipe rpkd-starter steps=300 seed=1

A run's name is a digest of its arguments and its data: submitted again it goes on from its last checkpoint, once it is
finished it answers at once, and while it runs a second one is refused. With ``data.held_out=8`` eight seen classes are
not trained on: they calibrate the encoder's score, and with ``validate_per_class=20`` each report also measures the
encoder on them.

A run's curves and retrieval sheets lie below ``runs/<run>/tensorboard`` of the store: ``tensorboard --logdir URI/runs``
shows all runs, those of a bucket with its endpoint in ``S3_ENDPOINT``; ``tracking.mlflow=URI`` logs to MLflow as well.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pyarrow.compute as pc

from jobs._card import CardWriter
from jobs._cli import run_verb
from jobs._cluster import connect
from jobs._driver import sole_driver
from jobs._progress import remote_progress
from jobs._train_config import TrainConfig
from jobs._train_data import calibration_fingerprint, train_data
from jobs._train_fit import fit
from jobs._train_worker import Worker
from sketchray.data.reading import read_samples
from sketchray.data.samples import data_fingerprint
from sketchray.storage import default_store


def run(
    config: TrainConfig, *, progress: Callable[..., AbstractContextManager[Any]] = remote_progress
) -> dict[str, Any]:
    """Train, or go on, or find the finished run; return its result.

    Args:
        config: the run.
        progress: what shows the steps that the workers report, in the manner of `remote_progress`.
    """
    config.check()
    store = default_store()
    samples = read_samples(config.data)
    fingerprint = data_fingerprint(samples.filter(pc.equal(samples["split"], "seen")))
    run_id = config.run_id(fingerprint, calibration=calibration_fingerprint(samples, config.calibrate_per_class))
    uri = store.uri_of(f"encoders/{run_id}")
    result = {"run": run_id, "encoder": uri, "data": fingerprint}

    def finished() -> bool:
        return store.exists(f"encoders/{run_id}/config.json")

    def ship(worker: Worker) -> None:
        worker.ship(uri, card)

    if finished():
        return result | {"status": "found"}
    data = train_data(samples, config)
    card = CardWriter(config, run_id=run_id, data=data)
    with sole_driver(store.child(f"runs/{run_id}"), f"run {run_id}") as driver:
        if finished():  # another driver has, meanwhile
            return result | {"status": "found"}
        connect()
        with progress(config.steps, "train", unit="step") as board:
            checkpoints = fit(config, data, store=store, name=run_id, driver=driver, board=board, ship=ship)
    shipped = checkpoints.best() if config.ship == "best" else checkpoints.last()
    return result | {"status": "trained", "metrics": shipped.metrics if shipped else {}}


if __name__ == "__main__":
    sys.exit(run_verb("train", TrainConfig, run, doc=__doc__))
