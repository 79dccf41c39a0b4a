"""The index job on a real Ray: what it publishes, what it survives, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from jobs._index_config import IndexConfig
from jobs._index_embed import Embedder
from jobs._index_parts import Parts, part_rows
from jobs.index import run
from sketchray.data.folder import read_folder
from sketchray.data.images import decode_image
from sketchray.data.loading import SampleLoader
from sketchray.data.transforms import prepare_photo
from sketchray.encoders import load_encoder
from sketchray.gallery import GalleryError, gallery_store, list_galleries, merge, open_gallery
from sketchray.gallery.source import list_pictures
from sketchray.storage import Store, open_store

pytestmark = pytest.mark.slow
ENCODER = "frozen:tiny-test@32"
PHOTOS = 54  # six classes of eight, and six without a label


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def source(mini_root: Path, tmp_path: Path) -> Store:
    """A copy of the miniature dataset's pictures that a test may damage."""
    copy, original = open_store(str(tmp_path / "source")), open_store(str(mini_root))
    for prefix in ("photos/", "gallery/"):
        for entry in original.list(prefix):
            copy.write(entry.key, original.read(entry.key))
    return copy


def config(source: Store, **changes: Any) -> IndexConfig:
    known = {"gallery": "mini", "source": source.uri, "encoder": ENCODER, "part_size": 10, "batch_size": 4}
    return IndexConfig.model_validate(known | changes)


def test_a_gallery_has_every_picture_with_the_encoders_own_vector(local_ray: None, store: Store, source: Store) -> None:
    result = run(config(source))
    assert (result["status"], result["rows"], result["unreadable"]) == ("built", PHOTOS, 0)
    gallery, encoder = open_gallery(store, "mini"), load_encoder(ENCODER)
    assert gallery.version == result["version"]
    gallery.check_encoder(encoder.fingerprint)
    shards = [gallery.shard(i) for i in range(2)]
    samples = {row["id"]: row for row in read_folder(source, sources=("photos", "gallery")).to_pylist()}
    for sample in samples.values():
        image = SampleLoader().photo(sample["uri"])
        pixels = torch.from_numpy(prepare_photo(image, 32))[None]
        with torch.inference_mode():
            query_1D = encoder(pixels, torch.ones(1, dtype=torch.bool)).numpy()
        best, *_ = merge((shard.search(query_1D, 3)[0] for shard in shards), 3)
        assert (best.id, best.uri, best.label) == (sample["id"], sample["uri"], sample["class_name"])
        assert best.score == pytest.approx(1, abs=1e-5)
        jpeg = [jpeg for shard in shards if (jpeg := shard.thumbnail(sample["id"]))]
        assert len(jpeg) == 1
        assert np.abs(coarse(decode_image(jpeg[0])) - coarse(image)).mean() < 4


def coarse(image: Image.Image) -> np.ndarray:
    """Return an 8 x 8 picture: JPEG leaves little more of noise."""
    return np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=float)


def test_a_finished_build_is_found_again_and_made_current_again(
    local_ray: None, store: Store, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(config(source))
    other = run(config(source, shards=3))
    assert first["version"] != other["version"]
    assert open_gallery(store, "mini").version == other["version"]
    monkeypatch.setattr("jobs.index.embed_parts", None)  # a found build does not come that far
    found = run(config(source))
    assert found == {name: first[name] for name in found if name != "status"} | {"status": "found"}
    assert open_gallery(store, "mini").version == first["version"]
    assert [entry.key for entry in gallery_store(store, "mini").list("work/") if "part" in entry.key] == []


def test_a_changed_picture_makes_a_new_version_with_the_old_one_as_parent(
    local_ray: None, store: Store, source: Store
) -> None:
    first = run(config(source))
    source.write("gallery/noise_0.png", source.read("gallery/noise_1.png"))
    second = run(config(source))
    assert second["status"] == "built"
    assert second["version"] != first["version"]
    assert open_gallery(store, "mini").manifest.parent == first["version"]
    assert open_gallery(store, "mini", first["version"]).shard(0).rows > 0


def damage(source: Store) -> dict[str, str]:
    """Spoil four pictures in four ways; return what the report says of each."""
    good = source.read("gallery/noise_0.png")
    source.write("gallery/noise_0.png", good[: len(good) // 2])
    source.write("gallery/noise_1.png", b"")
    source.write("gallery/noise_2.png", b"this is a text")
    bomb = Image.new("1", (20000, 20000))
    bomb.save(Path(source.uri.removeprefix("file://")) / "gallery" / "noise_3.png")
    return {"noise_0": "truncated", "noise_1": "empty", "noise_2": "not a picture", "noise_3": "limit"}


def test_unreadable_pictures_are_counted_and_named_and_the_rest_is_indexed(
    local_ray: None, store: Store, source: Store
) -> None:
    expected = damage(source)
    result = run(config(source))
    assert (result["rows"], result["unreadable"]) == (PHOTOS - 4, 4)
    report = {Path(row["uri"]).stem: row for row in result["unreadable_first"]}
    assert report.keys() == expected.keys()
    for name, words in expected.items():
        assert words in report[name]["reason"]
        assert report[name]["stage"] == "decode"
    assert run(config(source))["unreadable_first"] == result["unreadable_first"]
    assert sum(open_gallery(store, "mini").shard(i).rows for i in range(2)) == PHOTOS - 4


def test_too_many_unreadable_pictures_stop_the_build_before_it_publishes(
    local_ray: None, store: Store, source: Store
) -> None:
    damage(source)
    with pytest.raises(GalleryError, match=r"4 of 54 pictures cannot be indexed, max_bad allows 5%.*report\.parquet"):
        run(config(source, max_bad=0.05))
    assert list(list_galleries(store)) == []
    assert len([entry for entry in store.list() if entry.key.endswith("report.parquet")]) == 1
    assert run(config(source, max_bad=0.1))["parts_resumed"] == 6


def test_a_picture_that_was_gone_for_a_while_is_tried_again(
    local_ray: None, store: Store, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(source.uri.removeprefix("file://")) / "gallery" / "noise_0.png"

    def list_and_lose(*arguments: Any, **options: Any) -> Any:
        listed = list_pictures(*arguments, **options)
        path.rename(path.with_suffix(".away"))
        return listed

    with monkeypatch.context() as patch:
        patch.setattr("jobs.index.list_pictures", list_and_lose)
        first = run(config(source))
    assert [(row["uri"], row["stage"]) for row in first["unreadable_first"]] == [(f"file://{path}", "read")]
    path.with_suffix(".away").rename(path)
    second = run(config(source))
    assert (second["status"], second["rows"], second["parts_resumed"]) == ("built", PHOTOS, 5)
    assert run(config(source))["status"] == "found"


def test_embeddings_do_not_depend_on_which_parts_were_there(tmp_path: Path) -> None:
    images_N3SS = np.random.default_rng(0).integers(0, 255, (11, 3, 32, 32), dtype=np.uint8)
    embedder = Embedder(encoder=ENCODER, parts=Parts(open_store(str(tmp_path))), batch_size=4, threads=1)
    whole = embedder.embed(images_N3SS)
    np.testing.assert_array_equal(whole[:8], embedder.embed(images_N3SS[:8]))
    assert whole.shape == (11, load_encoder(ENCODER).dim)
    assert embedder.embed(images_N3SS[:0]).shape == (0, whole.shape[1])


@pytest.mark.parametrize(("pictures", "rows"), [(0, []), (1, [1]), (10, [10]), (21, [10, 10, 1])])
def test_parts_cover_all_pictures(pictures: int, rows: list[int]) -> None:
    assert part_rows(pictures, 10) == rows


def job(store: str, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "jobs.index", "build", *arguments]
    env = {**os.environ, "SKETCHRAY_STORE": store, **environment}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_build_goes_on_and_ends_with_the_version_of_an_undisturbed_one(
    local_ray: None, store: Store, source: Store
) -> None:
    small = {"part_size": 3, "batch_size": 2}
    undisturbed = run(config(source, gallery="calm", **small))
    killed = job(
        store.uri, "gallery=killed", f"source={source.uri}", f"encoder={ENCODER}", "part_size=3", "batch_size=2"
    )
    place = gallery_store(store, "killed")
    while not (done := [entry for entry in place.list("work/") if entry.key.endswith(".json")]):
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert place.head("CURRENT") is None
    resumed = run(config(source, gallery="killed", **small))
    assert resumed["version"] == undisturbed["version"]
    assert resumed["parts_resumed"] >= len(done) >= 1
    assert undisturbed["parts_resumed"] == 0


def test_a_bucket_is_indexed_into_itself(s3_store_uri: str, source: Store) -> None:
    bucket = open_store(s3_store_uri)
    for entry in source.list():
        bucket.write(f"pictures/{entry.key}", source.read(entry.key))
    build = job(s3_store_uri, "gallery=g", f"source={s3_store_uri}/pictures", f"encoder={ENCODER}")
    output, errors = build.communicate(timeout=180)
    assert build.returncode == 0, errors
    assert json.loads(output.splitlines()[-1])["rows"] == PHOTOS
    gallery = open_gallery(bucket, "g")
    assert sum(gallery.shard(i).rows for i in range(2)) == PHOTOS
    assert gallery.manifest.source == f"{s3_store_uri}/pictures"


def test_user_errors_are_one_line(tmp_path: Path, s3_store_uri: str) -> None:
    def complaint(*arguments: str, **environment: str) -> str:
        process = job(s3_store_uri, *arguments, **environment)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (2, ""), errors
        return errors.strip().splitlines()[-1]

    there = [f"source={tmp_path}", f"encoder={ENCODER}"]
    assert "gallery: Field required" in complaint(*there)
    assert "no gallery name" in complaint("gallery=UP/../", *there)
    assert "no picture there" in complaint("gallery=g", *there)
    assert "does not answer" in complaint("gallery=g", *there, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert "no-such-bucket" in complaint("gallery=g", "source=s3://no-such-bucket/x", f"encoder={ENCODER}")
