"""What training is for, on real drawings: sources meet, and unseen classes are found better than untrained."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from jobs import evaluate, train
from jobs._cli import recipe_path
from jobs._evaluate_config import EvaluateConfig
from jobs._train_config import TrainConfig
from sketchray.config import load_config
from sketchray.data.loading import SampleLoader
from sketchray.data.raster import Bitmap, Sketch, rasterise
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder, load_encoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.skipif("SKETCHRAY_DATA" not in os.environ, reason="needs real drawings and photos: SKETCHRAY_DATA"),
]

RECIPE = recipe_path("bridge-tiny51")
SHIPPED = "lite0-sketch"
# A quarter of a minute's training: few steps at a high rate, without the starter set, which may not be built here.
SHORT = ("data.also=[]", "steps=40", "checkpoint_every=40", "prepare_per_class=10", "method.lr=6.0e-4",
         "method.centre_samples=0", "sketch_batch=24", "photo_batch=24")  # fmt: skip
DRAWINGS = 120
PHOTOS = 60  # of an unseen class's 300 in the gallery, which is embedded three times
QUICK_DRAW_LINE = 1.2 / 28  # width of a line in Quick, Draw!'s 28 x 28 bitmaps, as a fraction of the side


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The recipe of tiny-51, a tenth of its steps."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SKETCHRAY_STORE", f"file://{tmp_path_factory.mktemp('store')}")
        yield train.run(load_config(TrainConfig, verb="train", recipe=RECIPE, overrides=SHORT))


@pytest.fixture(scope="module")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset with `PHOTOS` photos of each unseen class, one of each seen class, and its drawings."""
    whole, few = Path(os.environ["SKETCHRAY_DATA"]), tmp_path_factory.mktemp("few")
    shutil.copy(whole / "split.json", few)
    shutil.copytree(whole / "strokes", few / "strokes")
    unseen = {word.replace(" ", "_") for word in json.loads((whole / "split.json").read_text())["unseen"]}
    for photos in (whole / "photos").iterdir():
        (few / "photos" / photos.name).mkdir(parents=True)
        for photo in sorted(photos.iterdir())[: PHOTOS if photos.name in unseen else 1]:
            shutil.copy(photo, few / "photos" / photos.name)
    return few


def embed(encoder: Encoder, sketches: list[Sketch]) -> torch.Tensor:
    size = encoder.config.image_size
    images = torch.from_numpy(np.stack([prepare_sketch(sketch, size) for sketch in sketches]))
    with torch.inference_mode():
        vectors_ND: torch.Tensor = encoder(images, torch.zeros(len(sketches), dtype=torch.bool))
    return vectors_ND


def test_a_drawing_embeds_alike_as_strokes_and_as_a_small_bitmap() -> None:
    samples = read_samples(DataConfig())
    unseen = samples.filter(pc.equal(samples["split"], "unseen"))
    uris = [uri for uri in unseen["uri"].to_pylist() if ".ndjson" in Path(uri).name][::2][:DRAWINGS]
    strokes = [SampleLoader.shared().sketch(uri) for uri in uris]
    bitmaps: list[Sketch] = [
        Bitmap.from_array(rasterise(drawing, 28, line_width=QUICK_DRAW_LINE), ink=0) for drawing in strokes
    ]
    encoder = load_encoder(SHIPPED)
    cosine_N = (embed(encoder, strokes) * embed(encoder, bitmaps)).sum(dim=1)
    assert len(cosine_N) == DRAWINGS
    assert cosine_N.mean() >= 0.9


def test_unseen_classes_are_found_better_than_by_the_frozen_backbone(trained: dict[str, Any], few_photos: Path) -> None:
    encoders = f"encoders=[frozen:efficientnet_lite0@128, {trained['encoder']}, {SHIPPED}]"
    config = load_config(
        EvaluateConfig,
        verb="evaluate",
        recipe=RECIPE,
        overrides=[f"data.root={few_photos}", encoders, "max_queries_per_class=10", "rankers=[{name: nearest}]"],
    )
    frozen, short, shipped = (row["metrics"]["map@all[plain]"] for row in evaluate.run(config)["rows"])
    assert short >= 1.25 * frozen
    assert shipped >= 1.8 * frozen
