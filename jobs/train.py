"""Train a sketch encoder by teacher/student distillation on Ray Train; the result is an encoder package in the store.

    python -m jobs.train --recipe rpkd-starter steps=300 seed=1

A run's name is a digest of its arguments and its data: submitted again it goes on from its last checkpoint, and once it
is finished it answers at once.
"""

import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from jobs._card import encoder_card
from jobs._cli import run_verb
from jobs._cluster import connect
from jobs._progress import remote_progress
from jobs._train_config import TrainConfig
from jobs._train_worker import Worker
from sketchray.data.reading import read_samples
from sketchray.data.samples import Modality, data_fingerprint
from sketchray.methods.base import UNLABELLED
from sketchray.storage import Store, default_store


def labelled(seen: pa.Table, modality: Modality, classes: list[str]) -> pa.Table:
    """Return one modality's rows sorted by id, with ``label``: the class's place in ``classes``, -1 without one."""
    rows = seen.filter(pc.equal(seen["modality"], modality)).sort_by("id")
    label = pc.index_in(rows["class_name"], value_set=pa.array(classes, pa.string())).cast(pa.int64())
    label = pc.fill_null(label, UNLABELLED)
    return rows.select(["id", "uri"]).append_column("label", label)


def run(config: TrainConfig) -> dict[str, Any]:
    """Train, or go on, or find the finished run; return its result."""
    store = default_store()
    samples = read_samples(config.data)
    seen = samples.filter(pc.equal(samples["split"], "seen"))
    fingerprint = data_fingerprint(seen)
    run_id = config.run_id(fingerprint)
    result = {"run": run_id, "encoder": store.uri_of(f"encoders/{run_id}"), "data": fingerprint}
    if store.exists(f"encoders/{run_id}/config.json"):
        return result | {"status": "found"}
    classes = sorted(name for name in pc.unique(seen["class_name"]).to_pylist() if name is not None)
    # What is wrong with a method's options is said here, in one line, not by every worker.
    if not config.create(classes).needs_labels:
        classes = []
    elif seen["class_name"].null_count:
        raise ValueError(f"{seen['class_name'].null_count} training samples have no class, which this method needs")
    connect()
    tables = {"sketch": labelled(seen, "sketch", classes), "photo": labelled(seen, "photo", classes)}
    metadata, card = encoder_card(config, run_id=run_id, classes=classes, tables=tables)
    references = {modality: ray.put(table) for modality, table in tables.items()}
    with remote_progress(config.steps, "train", unit="step") as board:

        def train_loop() -> None:
            worker = Worker(config, classes=classes, sketches=references["sketch"], photos=references["photo"])
            worker.run(board)
            worker.ship(result["encoder"], metadata, card)

        finished = trainer(config, train_loop, store=store, name=run_id).fit()
    return result | {"status": "trained", "metrics": finished.metrics}


def trainer(config: TrainConfig, train_loop: Callable[[], None], *, store: Store, name: str) -> TorchTrainer:
    """Set up Ray Train: workers and their resources, the store as storage, recovery from the last checkpoint."""
    resources = config.resources
    filesystem, base = store.arrow()
    return TorchTrainer(
        train_loop,
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.workers,
            use_gpu=resources.gpu,
            resources_per_worker={"CPU": resources.cpus} | ({"GPU": 1} if resources.gpu else {}),
        ),
        torch_config=TorchConfig(backend="nccl" if resources.gpu else "gloo", timeout_s=120),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=f"{base}/runs",
            storage_filesystem=filesystem,
            failure_config=ray.train.FailureConfig(max_failures=resources.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )


if __name__ == "__main__":
    sys.exit(run_verb("train", TrainConfig, run, doc=__doc__))
