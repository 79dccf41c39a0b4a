"""Folding batch norms into convolutions: against the formula, for every backbone, and where it does not hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sketchray.encoders import Encoder, EncoderConfig, TinyBackbone, folded

Published = Callable[[str], Path]
GIVEN = ["cse_resnet50", "resnet18"]
UNTRAINED = ["efficientnet_lite1", "efficientnet_lite2"]
FOLDS = ["cse_resnet50", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "resnet18", "tiny-test"]


def norms(encoder: Encoder) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())


def shake(encoder: Encoder) -> None:
    """Give the batch norms statistics that a wrong fold would be seen by."""
    generator = torch.Generator().manual_seed(0)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight, 0.5)):
                assert values is not None
                values.data.copy_(torch.rand(values.shape, generator=generator) + low)


@pytest.mark.parametrize("name", FOLDS)
def test_a_folded_encoder_embeds_the_same(name: str, published: Published) -> None:
    weights = str(published(name)) if name in GIVEN else None
    config = EncoderConfig(backbone=name, dim=None, image_size=64, weights=weights)
    encoder = Encoder(config, pretrained=name not in UNTRAINED).eval()
    if name == "tiny-test":
        shake(encoder)
    fingerprint, before = encoder.fingerprint, norms(encoder)
    quick = folded(encoder)
    assert (before > 0, norms(quick), norms(encoder)) == (True, 0, before)
    assert encoder.fingerprint == fingerprint
    images_B3HW = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    photo_B = torch.tensor([True, False, True])
    with torch.inference_mode():
        torch.testing.assert_close(quick(images_B3HW, photo_B), encoder(images_B3HW, photo_B), rtol=0, atol=2e-5)
        map_Bdhw, quick_Bdhw = (each.local_features(images_B3HW, photo_B) for each in (encoder, quick))
        torch.testing.assert_close(quick_Bdhw, map_Bdhw, rtol=0, atol=1e-4 * float(map_Bdhw.abs().max()))


def test_the_folded_convolution_is_the_formula() -> None:
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=None, image_size=32)).eval()
    shake(encoder)
    conv, norm = encoder.backbone.stages()[:2]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    conv_bias, mean, variance = conv.bias, norm.running_mean, norm.running_var
    assert conv_bias is not None
    assert mean is not None
    assert variance is not None
    new = folded(encoder).backbone.stages()[0]
    assert isinstance(new, nn.Conv2d)
    assert new.bias is not None
    for channel in range(conv.out_channels):
        scale = norm.weight[channel] / torch.sqrt(variance[channel] + norm.eps)
        torch.testing.assert_close(new.weight[channel], conv.weight[channel] * scale)
        torch.testing.assert_close(new.bias[channel], (conv_bias[channel] - mean[channel]) * scale + norm.bias[channel])


def test_a_network_without_batch_norms_is_returned_as_it_is(published: Published) -> None:
    weights = str(published("dino_vitb16"))
    encoder = Encoder(EncoderConfig(backbone="dino_vitb16", dim=None, image_size=32, weights=weights)).eval()
    assert folded(encoder) is encoder


class Crossed(TinyBackbone):
    """Registers its batch norm after a convolution that it does not follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.layers[0]
        self.second = nn.Conv2d(16, self.dim, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(self.dim)
        self.layers = nn.Sequential()

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:
        f_BDhw: Tensor = self.norm(torch.relu(self.second(self.first(x_B3HW))))
        return f_BDhw


def test_parts_that_are_applied_in_another_order_are_left_alone() -> None:
    encoder = Encoder(EncoderConfig(backbone="tiny-test", dim=None, image_size=32)).eval()
    encoder.backbone = Crossed().eval()
    shake(encoder)
    assert folded(encoder) is encoder
