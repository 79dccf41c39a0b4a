"""Validation and calibration on held-out seen classes: which rows, in which mode, and that the numbers are right."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.compute as pc
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from jobs import evaluate, train
from jobs._evaluate_config import EvaluateConfig
from jobs._held_out import resting
from jobs._tracking_config import TrackingConfig
from jobs._train_config import TrainConfig
from jobs._train_data import calibration_fingerprint, train_data
from jobs._validation_sheet import FRAME, TILE
from sketchray.config import ConfigError, digest
from sketchray.data.reading import DataConfig, read_samples
from sketchray.encoders import from_pretrained, read_package_config
from sketchray.storage import open_store

SMALL: dict[str, Any] = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "steps": 4,
    "checkpoint_every": 2,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 4,
}

BEFORE = {
    "data",
    "resources",
    "validate_per_class",
    "calibrate_per_class",
    "ship",
    "compute",
    "tracking",
    "start",
}  # what names no run that neither validates nor calibrates


def config(root: Path, *, held_out: int = 2, **change: Any) -> TrainConfig:
    return TrainConfig.model_validate(SMALL | {"data": DataConfig(root=str(root), held_out=held_out)} | change)


def test_a_run_reads_no_unseen_row_and_trains_on_no_held_out_one(mini_root: Path) -> None:
    fit = config(mini_root, validate_per_class=5)
    samples = read_samples(fit.data)
    split_of = dict(zip(samples["id"].to_pylist(), samples["split"].to_pylist(), strict=True))
    data = train_data(samples, fit)
    for tables, split, count in ((data.seen, "seen", 16), (data.held_out, "val", 10), (data.calibration, "val", 16)):
        for table in tables.values():
            assert table.num_rows == count
            assert {split_of[identifier] for identifier in table["id"].to_pylist()} == {split}


def test_a_run_that_does_not_validate_reads_no_held_out_row(mini_root: Path) -> None:
    fit = config(mini_root)
    assert train_data(read_samples(fit.data), fit).held_out == {}


@pytest.mark.parametrize("held_out", [0, 1])
def test_validation_needs_two_held_out_classes(mini_root: Path, held_out: int) -> None:
    fit = config(mini_root, held_out=held_out, validate_per_class=5)
    with pytest.raises(ConfigError, match=rf"two held-out seen classes or more, not {held_out}.*data\.held_out"):
        train_data(read_samples(fit.data), fit)


def test_validation_is_part_of_the_name_only_where_it_is_on(mini_root: Path) -> None:
    plain = config(mini_root)
    assert plain.run_id("abc") == config(mini_root, validate_per_class=0).run_id("abc")
    assert plain.run_id("abc") != config(mini_root, validate_per_class=5).run_id("abc")


@pytest.mark.parametrize(
    ("held_out", "per_class", "said"),
    [(0, 9, "two held-out seen classes or more, not 0"), (1, 9, "not 1: set data"), (2, 0, "calibrate_per_class")],
)
def test_without_held_out_classes_a_run_has_the_name_and_the_rows_it_had_before_calibration(
    mini_root: Path, held_out: int, per_class: int, said: str
) -> None:
    fit = config(mini_root, held_out=held_out, calibrate_per_class=per_class)
    samples = read_samples(fit.data)
    data = train_data(samples, fit)
    assert (data.calibration, said in data.calibrated_on) == ({}, True)
    assert calibration_fingerprint(samples, per_class) is None
    described = fit.model_dump(mode="json", exclude=BEFORE)
    del described["encoder"]["sketch_norms"]
    assert digest(described | {"data": "abc"}) == fit.run_id("abc")


def test_a_calibrated_run_is_named_by_its_calibration_set_too(mini_root: Path) -> None:
    fit = config(mini_root)
    samples = read_samples(fit.data)
    names = {fit.run_id("abc", calibration=calibration_fingerprint(samples, count)) for count in (0, 3, 8, 50)}
    assert len(names) == 3  # there are 8 of each class
    assert fit.run_id("abc") in names


def test_held_out_sketches_without_photos_do_not_calibrate(mini_root: Path) -> None:
    fit = config(mini_root)
    samples = read_samples(fit.data)
    photo_of_val = pc.and_(pc.equal(samples["split"], "val"), pc.equal(samples["modality"], "photo"))
    data = train_data(samples.filter(pc.invert(photo_of_val)), fit)
    assert data.calibration == {}
    assert "have not one photo" in data.calibrated_on


def test_every_module_comes_back_in_the_mode_it_was_in() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval()))
    before = [module.training for module in network.modules()]
    with resting(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before


def check_calibration(uri: str, *, words: str) -> None:
    encoder, package = from_pretrained(uri), open_store(uri)
    calibration = encoder.calibration
    assert calibration is not None
    assert calibration.encoder == encoder.fingerprint
    assert calibration.data.startswith(words)
    assert (calibration.queries, calibration.pictures, calibration.base_rate) == (16, 16, 0.5)
    card = package.read("README.md").decode()
    assert "**valid for galleries like the calibration set**" in card
    assert calibration.data in card
    assert ElementTree.fromstring(package.read("reliability.svg").decode()).tag.endswith("svg")
    assert "(reliability.svg)" in card
    record = read_package_config(uri)["metadata"]["calibration"]
    assert (record["folds"], record["overall"]["count"], record["first_10"]["count"]) == (2, 256, 160)
    assert f"| all pairs | 256 | 0.500 | {record['overall']['ece']:.4f} |" in card


def assert_uncalibrated(uri: str) -> None:
    assert from_pretrained(uri).calibration is None
    assert "This encoder has no calibration: it needs calibrate" in open_store(uri).read("README.md").decode()
    assert not open_store(uri).exists("reliability.svg")


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_it_measures_what_the_evaluate_job_measures_calibrates_and_leaves_training_as_it_is(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path}")
    watched, plain = (
        train.run(config(mini_root, validate_per_class=8, tracking=TrackingConfig(every=2))),
        train.run(config(mini_root, calibrate_per_class=0)),
    )
    data = DataConfig(root=str(mini_root), held_out=2)
    report = evaluate.run(
        EvaluateConfig(
            data=data, encoders=(watched["encoder"],), query_split="val", gallery_split="val", distractors=False
        )
    )
    measured = {k.removeprefix("val/"): v for k, v in watched["metrics"].items() if k.startswith("val/")}
    assert measured == pytest.approx(report["rows"][0]["metrics"], abs=1e-6)
    assert not any(name.startswith("val/") for name in plain["metrics"])
    events = EventAccumulator(str(tmp_path / "runs" / watched["run"] / "tensorboard"))
    events.Reload()
    assert [point.step for point in events.Scalars("loss/loss")] == [2, 4]
    assert events.Scalars("val/map_all_plain")[-1].value == pytest.approx(measured["map@all[plain]"], abs=1e-6)
    sheets = [(sheet.step, sheet.width, sheet.height) for sheet in events.Images("val/retrieval")]
    side = TILE + 2 * FRAME  # on rank 0's sheet there are two classes, and its half of the sixteen photos
    assert sheets == [(step, 9 * side, 2 * side) for step in (2, 4)]
    check_calibration(watched["encoder"], words="2 seen classes (")
    assert_uncalibrated(plain["encoder"])
    images_B3HW, photo_B = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), torch.tensor([True, False] * 2)
    embedded = [from_pretrained(result["encoder"])(images_B3HW, photo_B) for result in (watched, plain)]
    torch.testing.assert_close(embedded[0], embedded[1], rtol=0, atol=0)
