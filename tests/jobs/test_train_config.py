"""A run's name: what is new in the configuration leaves runs that do not use it where they are found."""

from pathlib import Path
from typing import Any

import pytest
import torch

from jobs._train_config import TrainConfig
from sketchray.config import ConfigError, build_config
from sketchray.encoders import Encoder, save_pretrained


def test_runs_from_before_there_was_a_choice_keep_their_names() -> None:
    assert TrainConfig().run_id("abc") == "5a9f59fc9c51c9fe"
    ama = TrainConfig(validate_per_class=5, method={"name": "ama"})
    assert ama.run_id("abc", calibration="def") == "8644d3b35ac0ac82"


@pytest.mark.parametrize(
    ("compute", "same"),
    [
        ({"micro_batch": 8}, True),
        ({"channels_last": True, "deterministic": True}, True),
        ({"precision": "fp32", "clip_norm": None}, True),
        ({"precision": "bf16"}, False),
        ({"clip_norm": 1.0}, False),
    ],
)
def test_a_run_may_go_on_computed_otherwise_unless_that_changes_its_numbers(
    compute: dict[str, Any], same: bool
) -> None:
    changed = TrainConfig.model_validate({"compute": compute})
    assert (changed.run_id("abc") == TrainConfig().run_id("abc")) == same


def test_the_method_is_built_in_the_dtype_and_layout_that_are_asked_for() -> None:
    small = {"encoder": {"backbone": "tiny-test", "dim": 8, "image_size": 32}, "method": {"name": "finetune"}}
    made = {
        precision: TrainConfig.model_validate(
            small | {"compute": {"precision": precision, "channels_last": precision == "fp64"}}
        ).create(["cat", "cup"])
        for precision in ("fp64", "bf16")
    }
    assert {p.dtype for p in made["fp64"].parameters()} == {torch.float64}
    assert {p.dtype for p in made["bf16"].parameters()} == {torch.float32}
    layouts = {
        precision: {p.is_contiguous(memory_format=torch.channels_last) for p in method.parameters() if p.ndim == 4}
        for precision, method in made.items()
    }
    assert layouts == {"fp64": {True}, "bf16": {False}}


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ({"precission": "bf16"}, r"unknown key compute\.precission; did you mean compute\.precision\?"),
        ({"precision": "half"}, r"compute\.precision: .*'fp32', 'bf16', 'fp16' or 'fp64'"),
        ({"micro_batch": 0}, r"compute\.micro_batch: .*greater than or equal to 1"),
        ({"clip_norm": 0}, r"compute\.clip_norm: .*greater than 0"),
    ],
)
def test_a_wrong_option_is_named(compute: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_config(TrainConfig, {"compute": compute})


def test_a_run_that_starts_from_a_trained_encoder_has_it_and_a_name_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(3)
    plain = TrainConfig.model_validate(
        {"encoder": {"backbone": "tiny-test", "dim": 8, "image_size": 32}, "method": {"name": "finetune"}}
    )
    encoder = Encoder(plain.encoder)
    torch.nn.init.normal_(encoder.embed.get_parameter("weight"))
    save_pretrained(encoder, str(tmp_path / "package"), metadata={}, card="")
    started = plain.model_copy(update={"start": str(tmp_path / "package")})
    assert started.run_id("abc") != plain.run_id("abc")
    assert started.create(["cat", "cup"]).encoder.fingerprint == encoder.fingerprint
