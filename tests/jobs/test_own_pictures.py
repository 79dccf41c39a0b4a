"""Somebody's own pictures, before any training: indexed with the encoder that comes with the library, and searched."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from jobs import index
from sketchray import zoo
from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import load_encoder
from sketchray.gallery import open_gallery
from sketchray.storage import Store, open_store

pytestmark = pytest.mark.slow
SHAPES = ("circle", "square", "triangle", "cross", "star", "zigzag")


def drawing(root: Path, word: str) -> Strokes:
    with gzip.open(root / "strokes" / f"{word}.ndjson.gz", "rt") as file:
        return Strokes.from_json(json.loads(file.readline())["drawing"])


def test_a_folder_is_searchable_without_naming_an_encoder(
    local_ray: None, pictures: Store, mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    assert index.main(["build", "gallery=mine", f"source={pictures.uri}", "codebooks.names=[]", "shards=1"]) == 0

    gallery = open_gallery(open_store(str(tmp_path / "store")), "mine")
    assert gallery.manifest.encoder.uri == zoo.DEFAULT
    encoder = load_encoder(gallery.manifest.encoder.uri)
    gallery.check_encoder(encoder.fingerprint)
    rasters = np.stack([prepare_sketch(drawing(mini_root, word), encoder.config.image_size) for word in SHAPES])
    with torch.inference_mode():
        query_BD = encoder(torch.from_numpy(rasters), torch.zeros(len(SHAPES), dtype=torch.bool)).numpy()
    answers = gallery.shard(0).search(query_BD, 8)
    right = [sum(hit.label == word for hit in hits) for word, hits in zip(SHAPES, answers, strict=True)]
    assert [len(hits) for hits in answers] == [8] * len(SHAPES)
    assert sum(right) >= 36, f"found {right} of 8 each: in 54 pictures, chance is 1.2"
