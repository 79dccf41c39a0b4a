"""Loading samples by URI: every kind of file, and errors that name the sample."""

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sketchray.data import loading
from sketchray.data.containers import open_container
from sketchray.data.loading import SampleError, SampleLoader
from sketchray.data.raster import rasterise
from sketchray.storage import Unreachable

LINES = [{"word": "cat", "drawing": [[[0, 5 + i], [0, 5]]]} for i in range(3)]
TEXT = "\n".join(json.dumps(line) for line in LINES).encode()


def npz(**arrays: Any) -> bytes:
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 5:20, 9] = 255
    images[1, 9, 5:20] = 255
    (tmp_path / "cat.npz").write_bytes(npz(images=images))
    (tmp_path / "cat.ndjson").write_bytes(TEXT)
    (tmp_path / "cat.ndjson.gz").write_bytes(gzip.compress(TEXT + b'\n{"drawing": "x"}\nnot json\n{"word": "cat"}\n'))
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(TEXT)[:-9])
    Image.fromarray(255 - np.kron(images[0], np.ones((3, 3), np.uint8))).save(tmp_path / "cat 1#2.png")
    Image.new("L", (30, 30), 255).save(tmp_path / "blank.png")
    Image.new("RGBA", (8, 8)).save(tmp_path / "photo.png")
    Image.effect_noise((1600, 1200), 40).save(tmp_path / "photo.jpg")
    (tmp_path / "text.png").write_bytes(b"hello")
    return tmp_path


@pytest.mark.parametrize("name", ["cat.npz#0", "cat.ndjson#2", "cat.ndjson.gz#2", "cat 1#2.png"])
def test_sketches_of_every_kind_are_loaded(folder: Path, name: str) -> None:
    loader = SampleLoader()
    for uri in (f"{folder}/{name}", f"file://{folder}/{name}"):
        assert rasterise(loader.sketch(uri), 64).min() == 0


def test_the_row_is_the_one_asked_for(folder: Path) -> None:
    loader = SampleLoader()
    upright, level = (rasterise(loader.sketch(f"{folder}/cat.npz#{row}"), 64) for row in (0, 1))
    assert upright[8:56, 32].max() < 160
    assert level[32, 8:56].max() < 160
    widths = [np.ptp(loader.sketch(f"{folder}/cat.ndjson#{row}").strokes.lines[0][:, 0]) for row in range(3)]
    assert widths == [5, 6, 7]


def test_photos_are_rgb_on_white_and_large_ones_are_decoded_small(folder: Path) -> None:
    loader = SampleLoader(draft_size=250)
    assert loader.photo(f"{folder}/photo.png").getpixel((0, 0)) == (255, 255, 255)
    assert loader.photo(f"{folder}/photo.jpg").size == (400, 300)
    assert loader.photo(f"{folder}/photo.jpg", size=250).size == (800, 600)
    assert SampleLoader(draft_size=None).photo(f"{folder}/photo.jpg").size == (1600, 1200)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.png", "no such object"),
        ("none.npz#0", "no such object"),
        ("text.png", "not a picture"),
        ("blank.png", "nothing stands out"),
        ("cat.npz#2", "blank"),
        ("cat.npz#3", "only 3 drawings"),
        ("cat.npz#-1", "'-1' is not a number"),
        ("cat.npz", "name one as uri#row"),
        ("cat.ndjson.gz#3", "strokes are a list"),
        ("cat.ndjson.gz#4", "Expecting value"),
        ("cat.ndjson.gz#5", "not NoneType"),
        ("cut.ndjson.gz#0", "damaged"),
    ],
)
def test_a_bad_sketch_is_an_error_that_names_it(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(SampleError, match=reason) as caught:
        SampleLoader().sketch(f"file://{folder}/{name}")
    assert str(caught.value).startswith(f"file://{folder}/{name}: ")
    assert str(caught.value).count(str(folder)) == 1


@pytest.mark.parametrize("name", ["none.png", "text.png", "cat.npz#0"])
def test_a_bad_photo_is_an_error_that_names_it(folder: Path, name: str) -> None:
    with pytest.raises(SampleError, match=f"file://{folder}/{name}: "):
        SampleLoader().photo(f"file://{folder}/{name}")


def test_an_unreachable_store_is_not_the_samples_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(uri: str) -> bytes:
        raise Unreachable(f"{uri}: no answer")

    monkeypatch.setattr(loading, "read_uri", fail)
    with pytest.raises(Unreachable):
        SampleLoader().sketch("s3://bucket/cat.npz#0")


def test_a_file_of_many_is_read_once_while_it_fits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(uri: str) -> bytes:
        read.append(Path(uri).name)
        return Path(uri).read_bytes()

    monkeypatch.setattr(loading, "read_uri", counting)
    roomy, tight = SampleLoader(), SampleLoader(cache_bytes=100)
    for loader, expected in ((roomy, ["cat.npz", "cat.ndjson"]), (tight, ["cat.npz", "cat.ndjson", "cat.npz"])):
        read.clear()
        for name in ("cat.npz#0", "cat.npz#1", "cat.ndjson#0", "cat.npz#0"):
            loader.sketch(f"{folder}/{name}")
        assert read == expected


def test_a_process_has_one_shared_loader() -> None:
    assert SampleLoader.shared() is SampleLoader.shared()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.npz", b"", "damaged"),
        ("a.npz", npz(pictures=np.zeros((1, 2, 2), np.uint8)), "'images' is missing; it has pictures"),
        ("a.npz", npz(images=np.zeros((2, 2), np.uint8)), r"uint8 \(2, 2\), not"),
        ("a.npz", npz(images=np.zeros((1, 2, 2))), "float64"),
        ("a.npz", npz(images=np.array([{}], dtype=object)), "allow_pickle"),
        ("a.ndjson.gz", b"plain", "damaged"),
        ("a.csv", b"", r"\.ndjson"),
    ],
)
def test_a_damaged_file_of_many_is_refused(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        open_container(name, data)
    assert str(caught.value).startswith(name)
