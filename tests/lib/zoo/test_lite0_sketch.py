"""``lite0-sketch`` as it is shipped: small, whole, one encoder on every machine, and it knows drawings."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from sketchray import zoo
from sketchray.data.raster import Bitmap, Sketch, Strokes, rasterise
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder, load_encoder, read_package_config

FOLDER = zoo.ZOO / zoo.DEFAULT
SMALL_LINE = 1.2 / 28  # width of a line in Quick, Draw!'s 28 x 28 bitmaps, as a fraction of the side
FINGERPRINT = "from sketchray.encoders import load_encoder; print(load_encoder('lite0-sketch').fingerprint)"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(zoo.DEFAULT)


def test_it_takes_at_most_twelve_megabytes_and_says_what_it_is() -> None:
    assert zoo.DEFAULT in zoo.list_shipped()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12_000_000
    card = (FOLDER / "README.md").read_text()
    for part in ("Apache-2.0", "39", "1-NN", "mAP@all", "Limits", read_package_config(zoo.DEFAULT)["fingerprint"]):
        assert part in card, f"the card does not say {part!r}"


def test_every_file_of_it_is_installed_with_the_library() -> None:
    root = Path(__file__).parents[3]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["sketchray"]
    installed = {path for pattern in patterns for path in (root / "lib" / "sketchray").glob(pattern)}
    assert {path.name for path in FOLDER.iterdir()} >= {"config.json", "model.safetensors", "README.md"}
    assert set(FOLDER.iterdir()) <= installed


def test_another_process_on_other_threads_finds_the_same_fingerprint(encoder: Encoder) -> None:
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "3"}
    told = subprocess.run(
        [sys.executable, "-c", FINGERPRINT],
        env=os.environ | paths,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert told.stdout.strip() == encoder.fingerprint == read_package_config(zoo.DEFAULT)["fingerprint"]


def outlines() -> list[Strokes]:
    """Six drawings: polygons of 3 to 8 corners, each with a stroke across."""
    drawings = []
    for corners in range(3, 9):
        angles = 2 * np.pi * np.arange(corners + 1) / corners
        ring = [(100 + 90 * np.sin(angles)).tolist(), (100 - 90 * np.cos(angles)).tolist()]
        drawings.append(Strokes.from_json([ring, [[20, 180], [100, 100 + 8 * corners]]]))
    return drawings


def embed(encoder: Encoder, sketches: list[Sketch]) -> torch.Tensor:
    images = np.stack([prepare_sketch(sketch, encoder.config.image_size) for sketch in sketches])
    with torch.inference_mode():
        vectors_ND: torch.Tensor = encoder(torch.from_numpy(images), torch.zeros(len(images), dtype=torch.bool))
    return vectors_ND


def test_a_drawing_embeds_alike_as_strokes_and_as_a_small_bitmap(encoder: Encoder) -> None:
    strokes: list[Sketch] = list(outlines())
    bitmaps: list[Sketch] = [
        Bitmap.from_array(rasterise(drawing, 28, line_width=SMALL_LINE), ink=0) for drawing in outlines()
    ]
    cosine_NN = embed(encoder, strokes) @ embed(encoder, bitmaps).T
    assert cosine_NN.diagonal().mean() >= 0.9
    assert cosine_NN.argmax(dim=1).tolist() == list(range(len(strokes))), "another drawing's bitmap is nearer"
