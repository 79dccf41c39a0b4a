"""Batch norms of sketches' own: row by row against the formula, alone and mixed, folded, and in a package."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sketchray.encoders import Encoder, EncoderConfig, PackageError, folded, from_pretrained, save_pretrained
from sketchray.encoders.modality_norm import ModalityNorm, give_sketch_norms, modalities, modality_norms

Published = Callable[[str], Path]
PHOTO_B = torch.tensor([True, False, False, True, False])


def shaken(norm: nn.BatchNorm2d, seed: int) -> nn.BatchNorm2d:
    generator = torch.Generator().manual_seed(seed)
    for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        assert values is not None
        values.data.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return norm


def encoder_of(backbone: str = "tiny-test", **options: object) -> Encoder:
    """Return an encoder whose norms differ from one modality to the other."""
    config = EncoderConfig(backbone=backbone, dim=None, image_size=32, sketch_norms=True).model_copy(update=options)
    encoder = Encoder(config, pretrained=backbone == "tiny-test")
    for place, norm in enumerate(modality_norms(encoder.backbone)):
        shaken(norm.photo, 2 * place)
        shaken(norm.sketch, 2 * place + 1)
    return encoder


def images(count: int = len(PHOTO_B)) -> Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@torch.no_grad()
def test_each_row_is_normalised_by_its_modality() -> None:
    norm = ModalityNorm(shaken(nn.BatchNorm2d(3), 0)).eval().double()
    shaken(norm.sketch, 1)
    x_BCHW = torch.randn(len(PHOTO_B), 3, 4, 5, dtype=torch.float64)
    with modalities(PHOTO_B):
        y_BCHW = norm(x_BCHW)
    for row, photo in enumerate(PHOTO_B.tolist()):
        own = norm.photo if photo else norm.sketch
        assert own.running_mean is not None
        assert own.running_var is not None
        for channel in range(3):
            unit_HW = (x_BCHW[row, channel] - own.running_mean[channel]) / (own.running_var[channel] + own.eps) ** 0.5
            wanted_HW = unit_HW * own.weight[channel] + own.bias[channel]
            torch.testing.assert_close(y_BCHW[row, channel], wanted_HW)
    torch.testing.assert_close(norm(x_BCHW), norm.photo(x_BCHW))  # told nothing, it is the pretrained one


@torch.no_grad()
def test_a_row_does_not_depend_on_its_batch_and_the_modality_counts() -> None:
    encoder = encoder_of()
    together_Bd = encoder(images(), PHOTO_B)
    alone_Bd = torch.cat([encoder(images()[row : row + 1], PHOTO_B[row : row + 1]) for row in range(len(PHOTO_B))])
    torch.testing.assert_close(together_Bd, alone_Bd)
    others_Bd = encoder(images(), ~PHOTO_B)
    assert ((together_Bd - others_Bd).abs().max(dim=1).values > 1e-3).all()
    map_Bdhw = encoder.local_features(images(), PHOTO_B)
    torch.testing.assert_close(map_Bdhw.mean(dim=(2, 3)), encoder.features(images(), PHOTO_B))


def test_both_modalities_train_norms_of_their_own() -> None:
    encoder = encoder_of()
    weights = [own.weight for norm in modality_norms(encoder.backbone) for own in (norm.photo, norm.sketch)]
    gradients = torch.autograd.grad(encoder.features(images(), PHOTO_B).square().sum(), weights)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@torch.no_grad()
def test_bf16_goes_in_and_comes_out() -> None:
    norm = ModalityNorm(shaken(nn.BatchNorm2d(3), 0)).eval()
    x_BCHW = torch.randn(len(PHOTO_B), 3, 2, 2)
    with modalities(PHOTO_B):
        half_BCHW, full_BCHW = norm(x_BCHW.bfloat16()), norm(x_BCHW.bfloat16().float())
    assert half_BCHW.dtype == torch.bfloat16
    torch.testing.assert_close(half_BCHW, full_BCHW.bfloat16())


@torch.no_grad()
def test_a_fresh_encoder_is_the_backbone() -> None:
    plain, fresh = (Encoder(EncoderConfig(backbone="tiny-test", sketch_norms=norms, dim=8)) for norms in (False, True))
    torch.testing.assert_close(fresh(images(), PHOTO_B), plain(images(), PHOTO_B))
    assert fresh.fingerprint != plain.fingerprint


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "tiny-test"])
@torch.no_grad()
def test_folded_it_embeds_the_same(name: str, published: Published) -> None:
    encoder = encoder_of(name, weights=str(published(name)) if name == "resnet18" else None)
    quick = folded(encoder)
    assert quick is not encoder
    assert modality_norms(quick.backbone) == []
    for photo_B in (PHOTO_B, torch.ones_like(PHOTO_B), torch.zeros_like(PHOTO_B)):
        torch.testing.assert_close(quick(images(), photo_B), encoder(images(), photo_B), rtol=0, atol=2e-5)


def test_a_package_keeps_them(tmp_path: Path) -> None:
    encoder = encoder_of()
    fingerprint = save_pretrained(encoder, str(tmp_path / "package"), metadata={}, card="")
    read = from_pretrained(str(tmp_path / "package"))
    assert (read.fingerprint, read.config.sketch_norms) == (fingerprint, True)
    with torch.no_grad():
        torch.testing.assert_close(read(images(), PHOTO_B), encoder(images(), PHOTO_B))
    config = tmp_path / "package" / "config.json"
    config.write_text(config.read_text().replace('"sketch_norms": true', '"sketch_norms": false'))
    with pytest.raises(PackageError, match="does not fit"):
        from_pretrained(str(tmp_path / "package"))


def test_a_network_without_batch_norms_has_none_to_give() -> None:
    with pytest.raises(ValueError, match=r"encoder\.sketch_norms: .* no batch norms"):
        give_sketch_norms(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
