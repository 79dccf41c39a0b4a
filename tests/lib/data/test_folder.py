"""The folder reader, on plain folders and in a bucket, and what it says of folders that are no dataset."""

import gzip
import json
import os
import shutil
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sketchray.data.folder import DatasetError
from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, get_reader, list_readers, read_samples
from sketchray.data.samples import SAMPLE_SCHEMA, data_fingerprint, sample_id
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.storage import open_store


def png(kind: str) -> bytes:
    buffer = BytesIO()
    image = Image.new("RGB", (20, 20), (200, 220, 240))
    image.paste((0, 0, 0), (5, 9, 15, 11) if kind == "line" else (5, 5, 15, 15))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def files() -> dict[str, bytes]:
    bitmaps = BytesIO()
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 4:24, 14] = 255
    np.savez_compressed(bitmaps, images=images)
    strokes = b"\n".join(json.dumps({"drawing": [[[0, 9], [0, i]]]}).encode() for i in range(3))
    return {
        "photos/cat/1.png": png("box"),
        "photos/cat/more/2.PNG": png("box"),
        "photos/cat/notes.txt": b"passed over",
        "photos/cat/.hidden.png": b"passed over",
        "photos/ice_cream/1.png": png("box"),
        "sketches/cat/a.png": png("line"),
        "sketches28/ice_cream.npz": bitmaps.getvalue(),
        "strokes/cat.ndjson.gz": gzip.compress(strokes),
        "gallery/x y#1.png": png("box"),
        "split.json": b'{"seen": ["cat"], "unseen": ["ice cream"]}',
        "README.md": b"passed over",
    }


def write(root: str, content: dict[str, bytes]) -> str:
    store = open_store(root)
    for key, data in content.items():
        store.write(key, data)
    return store.uri


@pytest.fixture
def root(tmp_path: Path) -> str:
    return write(str(tmp_path / "set"), files())


def read(root: str, **options: object) -> pa.Table:
    return read_samples(DataConfig.model_validate({"root": root, **options}))


def check(table: pa.Table, root: str) -> None:
    assert table.schema == SAMPLE_SCHEMA
    keys = {
        "photos/cat/1.png": ("photo", "cat", "seen"),
        "photos/cat/more/2.PNG": ("photo", "cat", "seen"),
        "photos/ice_cream/1.png": ("photo", "ice cream", "unseen"),
        "sketches/cat/a.png": ("sketch", "cat", "seen"),
        "sketches28/ice_cream.npz#0": ("sketch", "ice cream", "unseen"),
        "sketches28/ice_cream.npz#1": ("sketch", "ice cream", "unseen"),
        "strokes/cat.ndjson.gz#0": ("sketch", "cat", "seen"),
        "strokes/cat.ndjson.gz#1": ("sketch", "cat", "seen"),
        "strokes/cat.ndjson.gz#2": ("sketch", "cat", "seen"),
        "gallery/x y#1.png": ("photo", None, "gallery"),
    }
    expected = [(sample_id(key), f"{root}/{key}", *rest) for key, rest in keys.items()]
    assert [tuple(row.values()) for row in table.to_pylist()] == sorted(expected)


def check_loads(table: pa.Table) -> None:
    loader = SampleLoader()
    for row in table.to_pylist():
        if row["modality"] == "sketch":
            assert prepare_sketch(loader.sketch(row["uri"]), 64).min() < 64
        else:
            assert prepare_photo(loader.photo(row["uri"]), 32).shape == (3, 32, 32)


def test_a_folder_becomes_the_sample_table(root: str) -> None:
    table = read(root)
    check(table, root)
    check_loads(table)


@pytest.mark.slow
def test_a_bucket_becomes_the_same_sample_table(root: str, s3_store_uri: str) -> None:
    uri = write(s3_store_uri, files())
    table = read(uri)
    check(table, uri)
    check_loads(table)
    assert data_fingerprint(table) == data_fingerprint(read(root))


def test_a_moved_folder_is_the_same_data(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = shutil.copytree(root.removeprefix("file://"), tmp_path / "elsewhere" / "set")
    assert data_fingerprint(read(str(moved))) == data_fingerprint(read(root))
    assert read(str(moved))["id"].equals(read(root)["id"])
    monkeypatch.chdir(moved.parent)
    assert read("set")["uri"].equals(read(str(moved))["uri"])


def test_without_split_json_every_class_is_seen(root: str) -> None:
    open_store(root).delete("split.json")
    assert Counter(read(root)["split"].to_pylist()) == {"seen": 9, "gallery": 1}


def test_only_some_sources_may_be_read(tmp_path: Path) -> None:
    content = files()
    del content["split.json"]
    uri = write(str(tmp_path / "set"), content)
    assert Counter(read(uri, sources=["photos", "strokes"])["modality"].to_pylist()) == {"photo": 3, "sketch": 3}
    with pytest.raises(ValueError, match="sources"):
        read(uri, sources=["pictures"])


def test_sketchray_data_is_the_default_root(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKETCHRAY_DATA", root)
    check(read_samples(DataConfig()), root)
    monkeypatch.delenv("SKETCHRAY_DATA")
    with pytest.raises(DatasetError, match=r"data\.root, or set SKETCHRAY_DATA"):
        read_samples(DataConfig())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"split.json": b"{"}, r"split\.json: not readable as JSON"),
        ({"split.json": b'["cat"]'}, r"split\.json: must be of the form"),
        ({"split.json": b'{"seen": "cat", "unseen": []}'}, "'seen' must be a list"),
        ({"split.json": b'{"seen": ["cat", "ice cream"], "unseen": ["cat"]}'}, "'cat' is named twice"),
        ({"split.json": b'{"seen": ["cat"], "unseen": []}'}, "says nothing of 'ice cream'"),
        (
            {"split.json": b'{"seen": ["cat", "ice creme"], "unseen": ["ice cream"]}'},
            "names 'ice creme', of which there are no samples; is it ice cream?",
        ),
        ({"photos/loose.png": png("box")}, r"photos/loose\.png: lies in no class's folder"),
        ({"sketches28/cat.npz": b"not one"}, r"sketches28/cat\.npz: damaged"),
        ({"strokes/cat.ndjson.gz": b"not one"}, r"strokes/cat\.ndjson\.gz: damaged"),
    ],
)
def test_a_contradiction_is_named_with_its_place(root: str, change: dict[str, bytes], reason: str) -> None:
    write(root, change)
    with pytest.raises(DatasetError, match=reason) as caught:
        read(root)
    assert root in str(caught.value)


def test_folders_that_are_no_dataset_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(DatasetError, match=f"{name}: no samples; nothing is there; a dataset has photos/"):
            read(str(tmp_path / name))
    other = write(str(tmp_path / "other"), {"holiday/1.png": png("box")})
    with pytest.raises(DatasetError, match=r"other: no samples; there is holiday/1\.png, for one"):
        read(other)


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(png("box"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DatasetError, match="not UTF-8"):
        read(str(tmp_path))


def test_the_starter_reader_wants_a_finished_build(root: str) -> None:
    missing = r"the starter data is not there; python -m sketchray\.data\.starter builds it"
    with pytest.raises(DatasetError, match=missing):
        read(root, reader="starter")
    open_store(root).write("DONE.json", b"{}")
    check(read(root, reader="starter"), root)


def test_readers_are_found_by_name() -> None:
    assert list_readers() == ["folder", "quickdraw", "sketchy", "starter", "tuberlin", "unlabelled"]
    with pytest.raises(ValueError, match="no reader 'folders'; did you mean folder"):
        get_reader("folders")


@pytest.mark.skipif("SKETCHRAY_DATA" not in os.environ, reason="SKETCHRAY_DATA is not set (tiny-51)")
def test_tiny_51_is_read_whole() -> None:
    table = read_samples(DataConfig(root=os.environ["SKETCHRAY_DATA"]))
    rows = Counter(zip(table["modality"].to_pylist(), table["split"].to_pylist(), strict=True))
    assert rows["photo", "seen"] == 39 * 300
    assert rows["photo", "unseen"] == 12 * 300
    assert rows["photo", "gallery"] == 1000
    assert len(set(table["class_name"].to_pylist())) == 52
    loader = SampleLoader()
    for row in table.to_pylist()[::500]:
        if row["modality"] == "sketch":
            assert prepare_sketch(loader.sketch(row["uri"]), 64).min() < 64
        else:
            assert prepare_photo(loader.photo(row["uri"]), 64).std() > 1
