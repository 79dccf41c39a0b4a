"""Every recipe is one that its verbs understand; the papers' take two steps on a miniature of their dataset."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from torch import Tensor

from jobs import _streams as streams
from jobs._cli import RECIPES, recipe_path
from jobs._evaluate_config import EvaluateConfig
from jobs._train_batch import to_batch, to_tensor
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from sketchray.config import load_config
from sketchray.data.reading import read_samples
from sketchray.data.samples import Modality
from sketchray.methods import list_methods
from sketchray.methods.fitting import train_step

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))
PROTOCOLS = ("sketchy-25", "sketchy-21", "tuberlin-30", "quickdraw-30")
PAPERS = [f"{method}-{protocol}" for method in ("rpkd", "clusterretri", "sbka", "ama") for protocol in PROTOCOLS]
CPU = torch.device("cpu")
SMALL = ("sketch_batch=2", "photo_batch=2", "prepare_per_class=1", "data.partial=true", "encoder.image_size=32")
SMALL_OF = {
    "rpkd": ("encoder.dim=8",),
    "clusterretri": ("encoder.dim=8",),
    "sbka": ("method.phase_one_steps=1",),
    "ama": (
        "method.head={hidden: 8, bottleneck: 4, outputs: 6}",
        "method.crops={local_crops: 2, local_size: 16}",
        "method.granularities=[2, 3]",
        "method.contrast_from=1",
        "method.contrast_full=1",
        "method.mutual_from=1",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_one_that_its_verbs_understand(name: str) -> None:
    train = load_config(TrainConfig, verb="train", recipe=recipe_path(name))
    evaluate = load_config(EvaluateConfig, verb="evaluate", recipe=recipe_path(name), overrides=["encoders=[x]"])
    assert train.method["name"] == name.split("-", maxsplit=1)[0]
    assert (evaluate.data.reader, evaluate.data.protocol) == (train.data.reader, train.data.protocol)
    assert train.steps % train.steps_per_epoch == train.steps % train.checkpoint_every == 0


def test_each_paper_has_a_recipe_for_each_protocol_and_each_method_one() -> None:
    assert set(PAPERS) < set(NAMES)
    assert {name.split("-", maxsplit=1)[0] for name in NAMES} == set(list_methods())


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("name", PAPERS)
def test_a_papers_recipe_takes_two_steps(
    name: str, mini_dataset: Callable[[str], Path], published: Callable[[str], Path]
) -> None:
    plain = load_config(TrainConfig, verb="train", recipe=recipe_path(name))
    overrides = [
        *SMALL,
        *SMALL_OF[plain.method["name"]],
        f"data.root={mini_dataset(str(plain.data.reader))}",
        f"encoder.weights={published(plain.encoder.backbone)}",
    ]
    config = load_config(TrainConfig, verb="train", recipe=recipe_path(name), overrides=overrides)
    data = train_data(read_samples(config.data), config)
    method = config.create(data.classes)
    optimizers = method.optimizers(config.steps)
    share: dict[str, Any] = {"rank": 0, "world_size": 1, "resources": streams.DecodeResources()}

    def clean(modality: Modality) -> Iterator[tuple[Tensor, list[str]]]:
        for rows in streams.every_sample(data.seen[modality], config.stream(modality, augmented=False), **share):
            yield to_tensor(rows["image"], CPU), rows["id"].tolist()

    def stream(modality: Modality) -> list[streams.Batch]:
        described = config.stream(modality, crops=method.crops)
        return list(streams.step_batches(data.seen[modality], described, steps=range(2), **share))

    photos: pa.Table = data.seen["photo"]
    every_photo = streams.every_sample(photos, config.stream("photo", augmented=False), **share)
    method.prepare([(to_tensor(rows["image"], CPU), to_tensor(rows["label"], CPU)) for rows in every_photo])
    before = {key: tensor.clone() for key, tensor in method.encoder.state_dict().items()}
    for step, (sketches, pictures) in enumerate(zip(stream("sketch"), stream("photo"), strict=True)):
        method.start_epoch(step, clean)
        batch = to_batch(sketches, pictures, seed=config.seed, device=CPU)
        terms = train_step(method, batch, optimizers, step=step, total=config.steps)
        assert math.isfinite(terms["loss"])
    assert any(not torch.equal(tensor, before[key]) for key, tensor in method.encoder.state_dict().items())
