"""Every backbone whose weights a user brings: what holds for all of them, and for encoders and packages of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sketchray.encoders import (
    Encoder,
    EncoderConfig,
    backbone_card,
    create_backbone,
    from_pretrained,
    load_encoder,
    read_package_config,
    save_pretrained,
)

Published = Callable[[str], Path]
NAMES = ["clip_vitb32", "convnextv2_tiny", "cse_resnet50", "dino_vitb16", "dinov2_vits14", "resnet18", "resnet50"]
SKETCH_AND_PHOTO = torch.tensor([False, True])


def images(size: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)


def encoder_of(name: str, weights: Path) -> Encoder:
    dim = 4 if backbone_card(name).classes else None
    return Encoder(EncoderConfig(backbone=name, dim=dim, image_size=48, weights=str(weights)))


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_nobody_gave_are_asked_for(name: str) -> None:
    with pytest.raises(ValueError, match=rf"backbone {name} does not bring its weights: .*`weights`: a local file"):
        create_backbone(name)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_normalised_as_in_the_pretraining(name: str, published: Published) -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's
    if name.startswith("clip"):
        mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    backbone = create_backbone(name, weights=str(published(name)))
    expected = (images().float() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(backbone.normalise(images().float()), expected)


@pytest.mark.parametrize("name", NAMES)
def test_training_mode_changes_no_statistics_and_draws_no_random_numbers(name: str, published: Published) -> None:
    backbone = create_backbone(name, weights=str(published(name))).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    x_B3HW = backbone.normalise(images().float())
    with torch.no_grad():
        together, alone = backbone(x_B3HW), backbone(x_B3HW[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_a_stage_and_learns(name: str, published: Published) -> None:
    backbone = create_backbone(name, weights=str(published(name)))
    backbone(backbone.normalise(images().float()), SKETCH_AND_PHOTO).square().sum().backward()
    staged = {id(parameter) for stage in backbone.stages() for parameter in stage.parameters()}
    for key, parameter in backbone.named_parameters():
        assert id(parameter) in staged, key
        assert parameter.grad is not None, key


@pytest.mark.parametrize("name", NAMES)
def test_a_package_embeds_identically_without_the_weights(name: str, published: Published, tmp_path: Path) -> None:
    weights = published(name)
    encoder = encoder_of(name, weights)
    generator = torch.Generator().manual_seed(1)
    for parameter in encoder.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    save_pretrained(encoder, str(tmp_path / "package"), metadata={}, card="")
    weights.unlink() if weights.is_file() else shutil.rmtree(weights)

    again = from_pretrained(str(tmp_path / "package"))
    assert (again.config, again.fingerprint) == (encoder.config, encoder.fingerprint)
    assert torch.equal(again(images(), SKETCH_AND_PHOTO), encoder(images(), SKETCH_AND_PHOTO))
    assert read_package_config(str(tmp_path / "package"))["preprocessing"]["mean"] == list(encoder.backbone.card.mean)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no classifier"):
        again.backbone.classifier()


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_knows_the_weights_and_not_where_they_were(
    name: str, published: Published, tmp_path: Path
) -> None:
    weights = published(name)
    moved = tmp_path / "moved" / weights.name
    moved.parent.mkdir()
    encoder = encoder_of(name, weights)
    weights.rename(moved)
    other = encoder_of(name, moved)
    assert other.fingerprint == encoder.fingerprint
    next(other.backbone.parameters()).data.view(-1)[0] += 1e-3
    assert other.fingerprint != encoder.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_frozen_backbones_load_with_their_weights(name: str, published: Published) -> None:
    weights = published(name)
    encoder = load_encoder(f"frozen:{name}@64:{weights}")
    assert (encoder.config.image_size, encoder.config.weights) == (64, str(weights))
    plain = create_backbone(name, weights=str(weights))
    expected = torch.nn.functional.normalize(plain(plain.normalise(images(64).float())), dim=1)
    torch.testing.assert_close(encoder(images(64), SKETCH_AND_PHOTO), expected)
    assert load_encoder(f"frozen:{name}:{weights}").config.image_size == 128
    with pytest.raises(ValueError, match=f"backbone {name} does not bring its weights"):
        load_encoder(f"frozen:{name}@64")


def test_a_conditional_backbone_takes_the_place_of_the_shift(published: Published) -> None:
    encoder = encoder_of("cse_resnet50", published("cse_resnet50"))
    assert (encoder.modality_bias, encoder.config.modality_bias) == (None, False)
    twice = images()[:1].expand(2, -1, -1, -1)
    torch.testing.assert_close(*encoder(twice, SKETCH_AND_PHOTO))
    encoder.backbone.get_parameter("layer2.0.se_module.fc2.weight").data[:, -1] = 3.0
    sketch_d, photo_d = encoder(twice, SKETCH_AND_PHOTO)
    assert not torch.allclose(sketch_d, photo_d)


def test_an_embedding_needs_a_classifier(published: Published) -> None:
    with pytest.raises(ValueError, match=r"backbone dino_vitb16 has no classifier.*`dim: null`"):
        Encoder(EncoderConfig(backbone="dino_vitb16", dim=8, weights=str(published("dino_vitb16"))))
