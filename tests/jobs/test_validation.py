"""Validation on held-out seen classes: which rows, in which mode, and that its numbers are the evaluate job's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from jobs import evaluate, train
from jobs._evaluate_config import EvaluateConfig
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from jobs._validation import resting
from sketchray.config import ConfigError
from sketchray.data.reading import DataConfig, read_samples
from sketchray.encoders import from_pretrained

SMALL: dict[str, Any] = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "steps": 4,
    "checkpoint_every": 2,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 4,
}


def config(root: Path, *, held_out: int = 2, **change: Any) -> TrainConfig:
    return TrainConfig.model_validate(SMALL | {"data": DataConfig(root=str(root), held_out=held_out)} | change)


def test_a_run_reads_no_unseen_row_and_trains_on_no_held_out_one(mini_root: Path) -> None:
    fit = config(mini_root, validate_per_class=5)
    samples = read_samples(fit.data)
    split_of = dict(zip(samples["id"].to_pylist(), samples["split"].to_pylist(), strict=True))
    data = train_data(samples, fit)
    for tables, split, count in ((data.seen, "seen", 16), (data.held_out, "val", 10)):
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


def test_every_module_comes_back_in_the_mode_it_was_in() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval()))
    before = [module.training for module in network.modules()]
    with resting(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_it_measures_what_the_evaluate_job_measures_and_leaves_training_as_it_is(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path}")
    watched, plain = train.run(config(mini_root, validate_per_class=8)), train.run(config(mini_root))
    data = DataConfig(root=str(mini_root), held_out=2)
    report = evaluate.run(
        EvaluateConfig(
            data=data, encoders=(watched["encoder"],), query_split="val", gallery_split="val", distractors=False
        )
    )
    measured = {k.removeprefix("val/"): v for k, v in watched["metrics"].items() if k.startswith("val/")}
    assert measured == pytest.approx(report["rows"][0]["metrics"], abs=1e-6)
    assert not any(name.startswith("val/") for name in plain["metrics"])
    images_B3HW, photo_B = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), torch.tensor([True, False] * 2)
    embedded = [from_pretrained(result["encoder"])(images_B3HW, photo_B) for result in (watched, plain)]
    torch.testing.assert_close(embedded[0], embedded[1], rtol=0, atol=0)
