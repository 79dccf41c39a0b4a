"""N workers with batch B / N give one worker's losses and gradients with batch B, through the train job's own workers.

All methods run one after another in one group of workers, since starting a group takes longer than all of their steps.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import safetensors.torch
import torch
from torch import Tensor

from jobs._checkpoints import Checkpoints
from jobs._tracking_config import NO_TRACKING
from jobs._tracking_run import RunTracking
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from jobs._train_fit import trainer
from jobs._train_worker import Worker
from sketchray.data.reading import DataConfig, read_samples
from sketchray.storage import open_store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

STEPS = 4
AMA: dict[str, Any] = {
    "name": "ama",
    "crops": {"local_crops": 2, "local_size": 16},
    "head": {"hidden": 16, "bottleneck": 8, "outputs": 24},
    "granularities": [2, 4],
    "cluster_samples": 21,
    "contrast_from": 2,
    "contrast_full": 3,
    "mutual_from": 2,
    "tau_mutual": 0.1,
    "confidence": 0,
    "ema_half_life": 2,
    "optimizer": "adamw",
    "lr": 1e-3,
}
EVERYTHING = {"micro_batch": 3, "clip_norm": 0.5, "channels_last": True, "deterministic": True}
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # the method, and how its steps are computed
    "finetune": ({"name": "finetune"}, {}),
    "rpkd": ({"name": "rpkd", "ema": 0.5}, {}),
    "clusterretri": ({"name": "clusterretri"}, {}),
    "sbka": ({"name": "sbka", "phase_one_steps": 2}, {}),
    "bridge": ({"name": "bridge", "distil": 0.3, "centre_samples": 20}, {}),
    "ama": (AMA, {}),
    "rpkd in parts": ({"name": "rpkd"}, EVERYTHING),  # last: deterministic is for all of a process
}


class Run(NamedTuple):
    """What a run left: each step's terms, and the last gradients and the networks of each worker."""

    curve: list[dict[str, float]]
    gradients: list[dict[str, Tensor]]
    networks: list[dict[str, Tensor]]


Group = Callable[[int], dict[str, Run]]


def config(root: Path, name: str, workers: int) -> TrainConfig:
    method, compute = METHODS[name]
    return TrainConfig.model_validate(
        {
            "data": DataConfig(root=str(root)),
            "resources": {"workers": workers, "cpus": 0.5},
            "method": method | ({} if name == "ama" else {"frozen_stages": 1}),
            "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8, "sketch_norms": name == "bridge"},
            "steps": STEPS,
            "steps_per_epoch": 2,
            "checkpoint_every": STEPS,
            "sketch_batch": 8,
            "photo_batch": 4,
            "prepare_per_class": 3,
            "compute": {"precision": "fp64"} | compute,
            "tracking": NO_TRACKING,
        }
    )


@pytest.fixture(scope="module")
def group(mini_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Give ``group(workers)``: the runs of all methods in a group of so many, by their names in `METHODS`."""
    done: dict[int, dict[str, Run]] = {}

    def train(workers: int) -> dict[str, Run]:
        folder = tmp_path_factory.mktemp("workers")
        store = open_store(folder.as_uri())
        configs = {name: config(mini_root, name, workers) for name in METHODS}
        samples = read_samples(configs["ama"].data)
        data = {name: train_data(samples, fit) for name, fit in configs.items()}
        curves = {name: Checkpoints(store.child(name), criterion=None) for name in METHODS}

        def every_method() -> None:
            for name, fit in configs.items():
                worker = Worker(fit, data[name], curves[name])
                worker.run(None, RunTracking(fit, store=store, name=name, step=worker.step, rank=worker.rank))
                parameters, file = worker.method.named_parameters(), f"{name}-{worker.rank}.safetensors"
                gradients = {key: p.grad.contiguous() for key, p in parameters if p.grad is not None}
                networks = {key: tensor.contiguous() for key, tensor in worker.method.state_dict().items()}
                safetensors.torch.save_file(gradients, folder / f"gradients-{file}")
                safetensors.torch.save_file(networks, folder / f"networks-{file}")

        trainer(configs["ama"], every_method, store=store, name="group").fit()

        def read(kind: str, name: str) -> list[dict[str, Tensor]]:
            files = [folder / f"{kind}-{name}-{rank}.safetensors" for rank in range(workers)]
            return [safetensors.torch.load(file.read_bytes()) for file in files]

        return {name: Run(curves[name].curve(), read("gradients", name), read("networks", name)) for name in METHODS}

    def cached(workers: int) -> dict[str, Run]:
        if workers not in done:
            done[workers] = train(workers)
        return done[workers]

    return cached


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", METHODS)
def test_workers_that_share_a_batch_equal_one_that_has_it_all(group: Group, name: str, workers: int) -> None:
    one, several = group(1)[name], group(workers)[name]
    assert len(one.curve) == len(several.curve) == STEPS
    assert len({terms["loss"] for terms in one.curve}) == STEPS
    for mine, theirs in zip(one.curve, several.curve, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-5, abs=1e-12)
    (gradients,), (networks,) = one.gradients, one.networks
    assert {g.dtype for g in gradients.values()} == {torch.float64}
    assert sum(float(g.abs().sum()) for g in gradients.values()) > 0
    for rank in range(workers):
        assert several.gradients[rank].keys() == gradients.keys()
        for key, gradient in gradients.items():
            close = float(gradient.abs().max()) * 1e-5
            torch.testing.assert_close(several.gradients[rank][key], gradient, rtol=1e-5, atol=close, msg=key)
        assert several.networks[rank].keys() == networks.keys()
        for key, tensor in networks.items():
            torch.testing.assert_close(several.networks[rank][key], tensor, rtol=1e-5, atol=1e-9, msg=key)
