"""A build on a real Ray: what it publishes, what it survives, what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from jobs._index_build import build, source_uris
from jobs._index_config import BuildConfig, EmbedConfig
from jobs._index_decode import decode_part
from jobs._index_embedder import Embedder
from jobs._index_parts import Parts
from sketchray.data.folder import read_folder
from sketchray.data.images import decode_image
from sketchray.data.loading import SampleLoader
from sketchray.data.transforms import prepare_photo
from sketchray.encoders import load_encoder
from sketchray.gallery import EncoderRef, GalleryError, gallery_store, list_galleries, merge, open_gallery
from sketchray.gallery.source import list_source
from sketchray.storage import Store, open_store

pytestmark = pytest.mark.slow
ENCODER = "frozen:tiny-test@32"
PHOTOS = 54  # six classes of eight, and six without a label
SMALL: dict[str, Any] = {"part_size": 10, "batch_size": 4, "shards": 2, "codebooks": {"names": ()}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKETCHRAY_STORE", str(tmp_path / "store"))
    return open_store(str(tmp_path / "store"))


def config(source: Store, **changes: Any) -> BuildConfig:
    known = {"gallery": "mini", "source": source.uri, "encoder": ENCODER, **SMALL}
    return BuildConfig.model_validate(known | changes)


def test_a_gallery_has_every_picture_with_the_encoders_own_vector(
    local_ray: None, store: Store, pictures: Store
) -> None:
    result = build(config(pictures, codebooks={"codewords": 4}))
    assert (result["status"], result["rows"], result["unreadable"]) == ("built", PHOTOS, 0)
    assert result["codebooks"] == ["cluster", "manifold", "mixture"]
    gallery, encoder = open_gallery(store, "mini"), load_encoder(ENCODER)
    assert gallery.version == result["version"]
    gallery.check_encoder(encoder.fingerprint)
    shards = [gallery.shard(i) for i in range(2)]
    samples = {row["id"]: row for row in read_folder(pictures, sources=("photos", "gallery")).to_pylist()}
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
    for ranking in ("cluster", "mixture", "manifold"):
        assert len(shards[0].search(query_1D, 3, ranking=ranking)[0]) == 3

    found = build(config(pictures, codebooks={"codewords": 4}))
    assert found == {name: result[name] for name in found if name != "status"} | {"status": "found"}
    left = [entry.key for entry in gallery_store(store, "mini").list("work/")]
    assert [key.rpartition("/")[2] for key in left] == ["CLAIM", "done.json"]


def coarse(image: Image.Image) -> np.ndarray:
    """Return an 8 x 8 picture: JPEG leaves little more of noise."""
    return np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=float)


def damage(source: Store) -> dict[str, str]:
    """Spoil four pictures in four ways; return what the report says of each."""
    good = source.read("gallery/noise_0.png")
    source.write("gallery/noise_0.png", good[: len(good) // 2])
    source.write("gallery/noise_1.png", b"")
    source.write("gallery/noise_2.png", b"this is a text")
    bomb = Image.new("1", (20000, 20000))
    bomb.save(Path(source.uri.removeprefix("file://")) / "gallery" / "noise_3.png")
    return {"noise_0": "truncated", "noise_1": "empty", "noise_2": "not a picture", "noise_3": "limit"}


def test_unreadable_pictures_are_counted_and_named_and_too_many_stop_the_build_before_it_publishes(
    local_ray: None, store: Store, pictures: Store
) -> None:
    expected = damage(pictures)
    with pytest.raises(GalleryError, match=r"4 of 54 pictures cannot be indexed, max_bad allows 5%.*report\.parquet"):
        build(config(pictures, max_bad=0.05))
    assert list(list_galleries(store)) == []
    assert len([entry for entry in store.list() if entry.key.endswith("report.parquet")]) == 1
    result = build(config(pictures, max_bad=0.1))
    assert (result["rows"], result["unreadable"], result["parts_resumed"]) == (PHOTOS - 4, 4, result["parts"])
    report = {Path(row["uri"]).stem: row for row in result["unreadable_first"]}
    assert report.keys() == expected.keys()
    for name, words in expected.items():
        assert words in report[name]["reason"]
        assert report[name]["stage"] == "decode"
    assert build(config(pictures))["unreadable_first"] == result["unreadable_first"]
    assert sum(open_gallery(store, "mini").shard(i).rows for i in range(2)) == PHOTOS - 4


def test_a_picture_that_was_gone_for_a_while_is_tried_again(
    local_ray: None, store: Store, pictures: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(pictures.uri.removeprefix("file://")) / "gallery" / "noise_0.png"

    def list_and_lose(*arguments: Any, **options: Any) -> Any:
        listed = list_source(*arguments, **options)
        path.rename(path.with_suffix(".away"))
        return listed

    with monkeypatch.context() as patch:
        patch.setattr("jobs._index_build.list_source", list_and_lose)
        first = build(config(pictures))
    assert [(row["uri"], row["stage"]) for row in first["unreadable_first"]] == [(f"file://{path}", "read")]
    path.with_suffix(".away").rename(path)
    second = build(config(pictures))
    assert (second["status"], second["rows"], second["parent"]) == ("built", PHOTOS, first["version"])
    assert second["parts_resumed"] == second["parts"] - 1
    assert build(config(pictures))["status"] == "found"


def test_what_cannot_be_built_of_the_embeddings_is_refused_before_any_is_made(store: Store, pictures: Store) -> None:
    with pytest.raises(GalleryError, match=r"codebooks\.chunks"):
        build(config(pictures, codebooks={"chunks": 7}))
    with pytest.raises(GalleryError, match=r"index\.factory: 'IVF'"):
        build(config(pictures, index={"factory": "IVF"}))
    assert list(store.list()) == []


def test_a_build_is_told_apart_by_what_its_vectors_depend_on(pictures: Store) -> None:
    encoder = EncoderRef(uri=ENCODER, fingerprint="f")

    def run_id(**changes: Any) -> str:
        return config(pictures, **changes).run_id(listing="l", encoder=encoder)

    same: list[dict[str, Any]] = [
        {},
        {"gallery": "other"},
        {"max_bad": 0.5},
        {"shard_rows": 7},
        {"resources": {"actors": 7}},
    ]
    assert len({run_id(**changes) for changes in same}) == 1
    others: list[dict[str, Any]] = [
        {"batch_size": 5},
        {"index": {"kind": "hnsw"}},
        {"resources": {"actor_gpus": 0.5}},
        {"shards": 3},
    ]
    assert len({run_id(**changes) for changes in [{}, *others]}) == 1 + len(others)


@pytest.mark.parametrize(("rows", "shards"), [(0, 1), (1, 1), (100_000, 1), (100_001, 2), (10**9, 1024)])
def test_shards_by_rule(pictures: Store, rows: int, shards: int) -> None:
    assert config(pictures, shards=None).with_shards(rows)[1] == shards


def test_embeddings_do_not_depend_on_which_parts_were_there(tmp_path: Path) -> None:
    images_N3SS = np.random.default_rng(0).integers(0, 255, (11, 3, 32, 32), dtype=np.uint8)
    embed = embedder(tmp_path, "float32")
    whole = embed.embed(images_N3SS)
    np.testing.assert_array_equal(whole[:8], embed.embed(images_N3SS[:8]))
    assert whole.shape == (11, load_encoder(ENCODER).dim)
    assert embed.embed(images_N3SS[:0]).shape == (0, whole.shape[1])
    half = embedder(tmp_path, "bfloat16").embed(images_N3SS)
    assert not np.array_equal(whole, half)
    assert (whole * half).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-6)


def embedder(tmp_path: Path, precision: Any) -> Embedder:
    parts = Parts(open_store(str(tmp_path)))
    return Embedder(encoder=ENCODER, parts=parts, columns=(), batch_size=4, threads=1, precision=precision)


def test_a_picture_whose_embedding_has_no_direction_is_a_problem(
    tmp_path: Path, pictures: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list_source([pictures.uri]).divide(1).pictures.rows_of(0).slice(0, 3)
    decoded = decode_part(listed.append_column("part", pa.array([7] * 3)), size=32, thumbnail=16, readers=2)
    embed, real = embedder(tmp_path, "float32"), Embedder.embed

    def spoiled(self: Embedder, images_N3SS: np.ndarray) -> np.ndarray:
        embedding_ND = real(self, images_N3SS)
        embedding_ND[0], embedding_ND[2] = np.nan, 0
        return embedding_ND

    monkeypatch.setattr(Embedder, "embed", spoiled)
    embed(decoded)
    (summary,) = Parts(open_store(str(tmp_path))).finished().values()
    assert (summary.part, summary.rows) == (7, 1)
    uris = listed["uri"].to_pylist()
    assert [(problem["uri"], problem["stage"]) for problem in summary.problems] == [
        (uris[0], "embed"),
        (uris[2], "embed"),
    ]


def test_the_precision_that_is_meant() -> None:
    known = {"gallery": "g"}
    assert EmbedConfig.model_validate(known).embed_precision == "float32"
    assert EmbedConfig.model_validate(known | {"resources": {"actor_gpus": 1}}).embed_precision == "float16"
    assert EmbedConfig.model_validate(known | {"precision": "bfloat16"}).embed_precision == "bfloat16"


def test_one_source_may_stand_alone(tmp_path: Path) -> None:
    one = BuildConfig.model_validate({"gallery": "g", "source": str(tmp_path), "encoder": ENCODER})
    assert one.source == (str(tmp_path),)
    both = BuildConfig.model_validate({"gallery": "g", "source": [str(tmp_path), "s3://b/c/"], "encoder": ENCODER})
    assert source_uris(both.source) == (f"file://{tmp_path}", "s3://b/c")
