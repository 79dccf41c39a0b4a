"""The streams are a pure function of (seed, step): any number of ranks, any starting step."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs import _streams as streams
from jobs._train_data import labelled
from sketchray.data.loading import SampleLoader
from sketchray.data.multicrop import MultiCropConfig, crop_photo, crop_sketch
from sketchray.data.order import sample_rng
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.samples import Modality
from sketchray.data.transforms import AugmentConfig

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

CLASSES = ["circle", "cross", "square", "triangle"]
RESOURCES = streams.DecodeResources(cpus=0.5, tasks=2)


def seen_rows(root: Path, modality: Modality) -> pa.Table:
    samples = read_samples(DataConfig(root=str(root)))
    return labelled(samples.filter(pc.equal(samples["split"], "seen")), modality, CLASSES)


def config(modality: Modality, **change: object) -> streams.StreamConfig:
    values = {"modality": modality, "batch_size": 6, "image_size": 32, "augment": AugmentConfig(), "seed": 3}
    return streams.StreamConfig.model_validate(values | change)


@pytest.mark.parametrize("modality", ["sketch", "photo"])
def test_two_ranks_see_together_what_one_sees_and_a_resumed_run_what_an_uninterrupted_one_does(
    mini_root: Path, modality: Modality
) -> None:
    samples = seen_rows(mini_root, modality)

    def read(first: int, rank: int, world_size: int) -> list[streams.Batch]:
        steps = range(first, 19)
        return list(
            streams.step_batches(
                samples, config(modality), steps=steps, rank=rank, world_size=world_size, resources=RESOURCES
            )
        )

    whole, parts, resumed = read(0, 0, 1), [read(0, rank, 2) for rank in range(2)], read(11, 0, 1)
    assert len(whole) == 19
    for step, batch in enumerate(whole):
        for key in ("image", "label", "id"):
            np.testing.assert_array_equal(batch[key], np.concatenate([part[step][key] for part in parts]))
            if step >= 11:
                np.testing.assert_array_equal(batch[key], resumed[step - 11][key])
    assert whole[0]["image"].shape == (6, 3, 32, 32)
    assert whole[0]["image"].dtype == np.uint8
    assert any((whole[0]["image"][0] != later["image"][0]).any() for later in whole[1:])
    assert not whole[0]["unreadable"].any()


def test_labels_belong_to_their_samples(mini_root: Path) -> None:
    samples = seen_rows(mini_root, "photo")
    label_of = dict(zip(samples["id"].to_pylist(), samples["label"].to_pylist(), strict=True))
    rows = streams.every_sample(samples, config("photo", augment=None), rank=0, world_size=1, resources=RESOURCES)
    seen = {i: label for batch in rows for i, label in zip(batch["id"], batch["label"], strict=True)}
    assert seen == label_of


def test_every_sample_is_shared_out_once(mini_root: Path) -> None:
    samples = seen_rows(mini_root, "sketch")
    ids = [
        i
        for rank in range(3)
        for batch in streams.every_sample(samples, config("sketch"), rank=rank, world_size=3, resources=RESOURCES)
        for i in batch["id"].tolist()
    ]
    assert sorted(ids) == sorted(samples["id"].to_pylist())


def test_an_unreadable_sample_is_replaced_and_marked(mini_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(mini_root, tmp_path / "data")
    (root / "photos" / "circle" / "circle_3.png").write_bytes(b"not a picture")
    samples = seen_rows(root, "photo")
    batches = list(streams.every_sample(samples, config("photo"), rank=0, world_size=1, resources=RESOURCES))
    marked = [i for batch in batches for i in batch["id"][batch["unreadable"]].tolist()]
    assert len(marked) == 1
    assert sum(len(batch["id"]) for batch in batches) == samples.num_rows


def test_a_batch_that_cannot_be_divided_and_an_empty_table_are_refused(mini_root: Path) -> None:
    samples = seen_rows(mini_root, "photo")
    with pytest.raises(ValueError, match="photo batch 6 cannot be divided by 4"):
        streams.step_batches(samples, config("photo"), steps=range(1), rank=0, world_size=4, resources=RESOURCES)
    with pytest.raises(ValueError, match="no sketch"):
        next(
            iter(streams.every_sample(samples.slice(0, 0), config("sketch"), rank=0, world_size=1, resources=RESOURCES))
        )


@pytest.mark.parametrize("modality", ["sketch", "photo"])
def test_views_of_many_crops_are_those_of_seed_step_and_id(mini_root: Path, modality: Modality) -> None:
    samples = seen_rows(mini_root, modality)
    crops = MultiCropConfig(local_crops=3, local_size=16)
    whole, half, plain = (
        list(
            streams.step_batches(
                samples, stream, steps=range(2, 4), rank=rank, world_size=world_size, resources=RESOURCES
            )
        )
        for stream, rank, world_size in (
            (config(modality, crops=crops), 0, 1),
            (config(modality, crops=crops), 1, 2),
            (config(modality, crops=crops.model_copy(update={"local_crops": 0})), 0, 1),
        )
    )
    assert whole[0]["globals"].shape == (6, 2, 3, 32, 32)
    assert whole[0]["locals"].shape == (6, 3, 3, 16, 16)
    for step, batch in enumerate(whole):
        assert "image" not in batch
        for key in ("globals", "locals", "id"):
            np.testing.assert_array_equal(batch[key][3:], half[step][key])
        uris = dict(zip(samples["id"].to_pylist(), samples["uri"].to_pylist(), strict=True))
        sample, loader = batch["id"][4], SampleLoader()
        rng = sample_rng(3, step + 2, sample)
        if modality == "sketch":
            views = crop_sketch(loader.sketch(uris[sample]), 32, rng, crops)
        else:
            views = crop_photo(loader.photo(uris[sample]), 32, rng, crops)
        for key, expected in zip(("globals", "locals"), views, strict=True):
            np.testing.assert_array_equal(batch[key][4], expected)
        assert set(plain[step]) == {"globals", "label", "id", "unreadable"}
