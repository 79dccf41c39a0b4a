"""The mean of encoders: of every weight, of encoders of one kind alone, and as a command."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from sketchray.encoders import Encoder, EncoderConfig, from_pretrained, save_pretrained
from sketchray.methods.soup import average_encoders, main


def encoder_of(seed: int, **options: object) -> Encoder:
    torch.manual_seed(seed)
    values = {"backbone": "tiny-test", "dim": 8, "image_size": 32, **options}
    encoder = Encoder(EncoderConfig.model_validate(values))
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    return encoder


def test_every_weight_is_the_mean_of_theirs() -> None:
    three = [encoder_of(seed) for seed in range(3)]
    expected = {name: sum(e.state_dict()[name].double() for e in three) / 3 for name, _ in three[0].named_parameters()}
    mean = average_encoders(three)
    for name, parameter in mean.named_parameters():
        torch.testing.assert_close(parameter.double(), expected[name], atol=1e-6, rtol=1e-6)


def test_one_encoder_is_its_own_mean_and_different_ones_have_none() -> None:
    alone = encoder_of(0)
    assert average_encoders([encoder_of(0)]).fingerprint == alone.fingerprint
    with pytest.raises(ValueError, match="different kinds"):
        average_encoders([alone, encoder_of(1, dim=4)])
    with pytest.raises(ValueError, match="no encoder"):
        average_encoders([])


def test_the_command_writes_a_package_that_is_centred_on_a_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, ink in (("photos", 200), ("sketches", 0)):
        (tmp_path / "data" / folder / "cat").mkdir(parents=True)
        picture = Image.new("L", (40, 40), 255)
        picture.paste(ink, (10, 10, 30, 12))
        picture.save(tmp_path / "data" / folder / "cat" / "1.png")
    for seed in range(2):
        save_pretrained(encoder_of(seed), str(tmp_path / f"e{seed}"), metadata={}, card="")
    packages = [str(tmp_path / f"e{seed}") for seed in range(2)]
    assert main([str(tmp_path / "mean"), *packages, "--centre", str(tmp_path / "data")]) == 0
    record = json.loads(capsys.readouterr().out)
    mean = from_pretrained(str(tmp_path / "mean"))
    assert (mean.fingerprint, record["mean_of"]) == (record["fingerprint"], packages)
    assert mean.modality_bias is not None
    assert mean.modality_bias[0].abs().sum() > 0
    assert main([str(tmp_path / "mean"), str(tmp_path / "nowhere")]) == 2
    assert "soup: " in capsys.readouterr().err
