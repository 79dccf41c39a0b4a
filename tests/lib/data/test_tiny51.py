"""The builder of the development set, from made downloads with the names of the real ones."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.tiny51.__main__ import main
from sketchray.data.tiny51.build import data_file


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """Three photos of each ImageNet id, and three drawings of each word, one of them not recognised."""
    for wnids in data_file("wnids.json").values():
        for wnid in wnids:
            folder = tmp_path / "tiny" / "train" / wnid / "images"
            folder.mkdir(parents=True)
            for number in (2, 10, 11):
                Image.new("RGB", (64, 64), (number, 90, 9)).save(folder / f"{wnid}_{number}.JPEG")
    (tmp_path / "drawn").mkdir()
    for place, word in enumerate(data_file("wnids.json")):
        text = "".join(
            json.dumps({"word": word, "key_id": str(i), "recognized": i != 1, "drawing": [[[0, 9], [0, i]]]}) + "\n"
            for i in range(3)
        ).encode()
        if place % 2:
            (tmp_path / "drawn" / f"full_raw_{word}.ndjson").write_bytes(text)
        else:
            (tmp_path / "drawn" / f"{word}.ndjson.gz").write_bytes(gzip.compress(text))
    return tmp_path


def build(downloads: Path, *more: str) -> int:
    arguments = [
        "--tiny-imagenet",
        f"{downloads}/tiny",
        "--quickdraw",
        f"{downloads}/drawn",
        "--out",
        f"{downloads}/out",
    ]
    return main([*arguments, "--photos", "3", *more])


def test_the_lists_are_39_and_12_classes() -> None:
    split = data_file("split.json")
    assert (len(split["seen"]), len(split["unseen"])) == (39, 12)
    assert sorted(split["seen"] + split["unseen"]) == sorted(data_file("wnids.json"))


def test_downloads_become_a_set_that_the_folder_reader_reads(
    downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(downloads) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == {"root": str(downloads / "out"), "classes": 51, "photos": 153, "sketches": 102}
    table = read_samples(DataConfig(root=str(downloads / "out")))
    rows = Counter(zip(table["modality"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert rows == {
        ("photo", "seen"): 117,
        ("photo", "unseen"): 36,
        ("sketch", "seen"): 78,
        ("sketch", "unseen"): 24,
    }
    assert sorted(path.name for path in (downloads / "out/photos/bridge").iterdir()) == [
        "n04311004_2.JPEG",
        "n04366367_10.JPEG",
        "n04366367_2.JPEG",
    ]
    loader = SampleLoader()
    for row in table.to_pylist()[::40]:
        loader.sketch(row["uri"]) if row["modality"] == "sketch" else loader.photo(row["uri"])


def test_what_a_download_lacks_is_named(downloads: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(downloads, "--photos", "9") == 2
    assert "3 pictures, fewer than 9" in capsys.readouterr().err
    (downloads / "drawn" / "backpack.ndjson.gz").write_bytes(b"damaged")
    assert build(downloads) == 2
    assert "backpack.ndjson.gz, after 0 lines: not readable as drawings" in capsys.readouterr().err
    (downloads / "drawn" / "backpack.ndjson.gz").unlink()
    assert build(downloads) == 2
    assert "no file <word>.ndjson of backpack" in capsys.readouterr().err
    (downloads / "tiny/train/n02769748").rename(downloads / "tiny/train/away")
    assert build(downloads) == 2
    assert "no folder train/<wnid>/images of n02769748" in capsys.readouterr().err


@pytest.mark.skipif("SKETCHRAY_DATA" not in os.environ, reason="SKETCHRAY_DATA is not set (tiny-51)")
def test_the_lists_are_those_of_the_set_itself() -> None:
    root = Path(os.environ["SKETCHRAY_DATA"])
    for name in ("split.json", "wnids.json"):
        assert data_file(name) == json.loads((root / name).read_text())
