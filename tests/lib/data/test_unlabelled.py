"""The unlabelled reader: everything is found, nothing is labelled, and what is drawn is no photo."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sketchray.data.folder import DatasetError
from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, read_samples


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A pile of photos with sketches in a folder of its own below it."""
    photos, sketches = tmp_path / "bucket", tmp_path / "bucket" / "drawn"
    for path in (photos / "a.jpg", photos / "2024" / "cat" / "b.PNG", sketches / "c.png", photos / ".hidden.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 255).save(path)
    (photos / "notes.txt").write_text("no picture")
    (sketches / "lines.ndjson").write_text(json.dumps({"drawing": [[[0, 9], [0, 9]]]}) + "\n")
    np.savez(sketches / "bitmaps.npz", images=np.full((2, 28, 28), 255, np.uint8))
    return photos, sketches


def test_pictures_are_photos_and_all_below_the_other_place_is_sketches(places: tuple[Path, Path]) -> None:
    config = DataConfig(reader="unlabelled", root=str(places[0]), sketches=str(places[1]))
    rows = read_samples(config).to_pylist()
    names = {modality: sorted(Path(r["uri"]).name for r in rows if r["modality"] == modality) for modality in
             ("photo", "sketch")}  # fmt: skip
    assert names == {
        "photo": ["a.jpg", "b.PNG"],
        "sketch": ["bitmaps.npz#0", "bitmaps.npz#1", "c.png", "lines.ndjson#0"],
    }
    assert {(row["class_name"], row["split"]) for row in rows} == {(None, "seen")}
    SampleLoader().sketch(next(row["uri"] for row in rows if row["uri"].endswith("ndjson#0")))


def test_what_is_missing_is_named(places: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"data\.sketches"):
        read_samples(DataConfig(reader="unlabelled", root=str(places[0])))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty: nothing to learn from"):
        read_samples(DataConfig(reader="unlabelled", root=str(places[0]), sketches=str(tmp_path / "empty")))
    (places[1] / "torn.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"torn\.npz"):
        read_samples(DataConfig(reader="unlabelled", root=str(places[0]), sketches=str(places[1])))


def test_classes_of_another_dataset_are_joined_by_configuration(places: tuple[Path, Path], tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for root, words in ((own, ("cat", "owl")), (other, ("owl", "sun"))):
        for word in words:
            for folder in ("photos", "sketches"):
                (root / folder / word).mkdir(parents=True)
                (root / folder / word / "1.png").write_bytes((places[0] / "a.jpg").read_bytes())
    (own / "split.json").write_text(json.dumps({"seen": ["cat"], "unseen": ["owl"]}))
    config = DataConfig(root=str(own), also=(DataConfig(root=str(other)),), also_per_class=1)
    rows = read_samples(config).to_pylist()
    assert {(row["class_name"], row["split"]) for row in rows} == {
        ("cat", "seen"), ("sun", "seen"), ("owl", "unseen"),
    }  # fmt: skip
