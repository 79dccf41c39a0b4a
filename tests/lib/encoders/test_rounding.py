"""Packages of half the size: what float16 costs, and that such an encoder is one encoder everywhere."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from sketchray.calibration import Calibration
from sketchray.encoders import Encoder, EncoderConfig, from_pretrained, read_package_config, save_pretrained


def encoder_of(backbone: str, **sizes: int) -> Encoder:
    encoder = Encoder(EncoderConfig(backbone=backbone, **sizes))
    assert encoder.modality_bias is not None
    encoder.modality_bias.data.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    return encoder


def images(count: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(side, side))


def test_a_half_package_is_half_as_large_and_is_the_same_at_every_load(tmp_path: Path) -> None:
    encoder = encoder_of("tiny-test", dim=8, image_size=32)
    whole = save_pretrained(encoder, str(tmp_path / "whole"), metadata={}, card="")
    half = save_pretrained(encoder, str(tmp_path / "half"), metadata={}, card="", dtype="float16")
    assert whole == encoder.fingerprint != half

    stored = safetensors.torch.load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values() if tensor.ndim > 1} == {torch.float16}
    assert stored["backbone.layers.1.running_var"].dtype == torch.float32
    sizes = {name: (tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half")}
    assert sizes["half"] < 0.6 * sizes["whole"]

    one, two = (from_pretrained(str(tmp_path / "half")) for _ in range(2))
    assert one.fingerprint == two.fingerprint == half == read_package_config(str(tmp_path / "half"))["fingerprint"]
    assert {parameter.dtype for parameter in one.parameters()} == {torch.float32}
    for name, original in encoder.state_dict().items():
        expected = original.half().float() if original.ndim > 1 else original
        assert torch.equal(one.state_dict()[name], expected), name
    again = save_pretrained(one, str(tmp_path / "again"), metadata={}, card="", dtype="float16")
    assert again == half
    assert save_pretrained(one, str(tmp_path / "widened"), metadata={}, card="") == half
    assert whole == encoder.fingerprint, "saving has changed what was saved"


def test_rounding_a_real_network_moves_cosines_by_little(tmp_path: Path) -> None:
    encoder = encoder_of("efficientnet_lite0", dim=64, image_size=64)
    save_pretrained(encoder, str(tmp_path / "half"), metadata={}, card="", dtype="float16")
    photo_B = torch.arange(6) % 2 == 0
    with torch.inference_mode():
        before, after = (one(images(6, 64), photo_B) for one in (encoder, from_pretrained(str(tmp_path / "half"))))
    moved = float((before @ before.T - after @ after.T).abs().max())
    assert 0 < moved < 2e-3


def test_a_calibration_goes_along(tmp_path: Path) -> None:
    encoder = encoder_of("tiny-test", dim=8, image_size=32)
    encoder.calibration = Calibration(
        encoder=encoder.fingerprint, scores=(0.0, 0.5), log_odds=(-2.0, 2.0), data="a test", queries=1, pictures=2,
        base_rate=0.5,
    )  # fmt: skip
    half = save_pretrained(encoder, str(tmp_path / "half"), metadata={}, card="", dtype="float16")
    calibration = from_pretrained(str(tmp_path / "half")).calibration
    assert calibration is not None
    assert calibration == encoder.calibration.model_copy(update={"encoder": half})


def test_what_float16_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    encoder = encoder_of("tiny-test", dim=8, image_size=32)
    encoder.state_dict()["embed.weight"][0, 0] = 1e6
    with pytest.raises(ValueError, match=r"embed.weight does not fit float16: it holds values up to 1e\+06"):
        save_pretrained(encoder, str(tmp_path / "half"), metadata={}, card="", dtype="float16")
