"""Feature maps of every registered backbone: their mean is what the encoder pools, and places are where they seem."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.encoders import Backbone, Encoder, EncoderConfig, backbone_card, create_backbone, list_backbones

Published = Callable[[str], Path]
GIVEN = [name for name in list_backbones() if backbone_card(name).weights.startswith("hub ")]
UNTRAINED = ["efficientnet_lite1", "efficientnet_lite2"]  # their weights are packages that the project does not bring
SKETCH_AND_PHOTO = torch.tensor([False, True])


def images(height: int = 64, width: int = 64) -> Tensor:
    return torch.randint(0, 256, (2, 3, height, width), generator=torch.Generator().manual_seed(0)).float()


def build(name: str, published: Published) -> Backbone:
    if name in GIVEN:
        return create_backbone(name, weights=str(published(name)))
    return create_backbone(name, pretrained=name not in UNTRAINED)


@pytest.mark.parametrize("name", list_backbones())
def test_the_mean_of_the_map_is_what_the_backbone_pools(name: str, published: Published) -> None:
    backbone = build(name, published)
    x_B3HW = backbone.normalise(images())
    with torch.no_grad():
        f_BDhw, f_BD = backbone.feature_map(x_B3HW, SKETCH_AND_PHOTO), backbone(x_B3HW, SKETCH_AND_PHOTO)
    assert f_BDhw.shape[:2] == (2, backbone.dim)
    assert f_BDhw.shape[2] == f_BDhw.shape[3] >= 2
    torch.testing.assert_close(f_BDhw.mean(dim=(2, 3)), f_BD, rtol=1e-4, atol=1e-4 * float(f_BD.abs().max()))
    assert f_BDhw.flatten(2).std(dim=2).max() > 1e-3 * f_BD.abs().max(), "a map that is the same everywhere"


@pytest.mark.parametrize("name", list_backbones())
def test_a_map_is_of_the_image_it_was_given_in_rows_and_columns(name: str, published: Published) -> None:
    backbone = build(name, published)
    x_B3HW = backbone.normalise(images(128, 192))
    changed_B3HW = x_B3HW.clone()
    changed_B3HW[:, :, 96:, :32] = 0  # the lower left corner
    with torch.no_grad():
        change_Bhw = (backbone.feature_map(changed_B3HW) - backbone.feature_map(x_B3HW)).square().sum(dim=1)
    rows, columns = change_Bhw.shape[1:]
    assert columns == pytest.approx(rows * 1.5)
    for change_hw in change_Bhw:
        left, right = change_hw[:, : columns // 2].sum(), change_hw[:, -(columns // 2) :].sum()
        upper, lower = change_hw[: rows // 2].sum(), change_hw[-(rows // 2) :].sum()
        assert left > 2 * right
        assert lower > 2 * upper


def test_convnext_places_are_normalised_by_the_pooled_features(published: Published) -> None:
    backbone = build("convnextv2_tiny", published)
    network, x_B3HW = backbone.get_submodule("network"), backbone.normalise(images())
    with torch.no_grad():
        last_BDhw = network(x_B3HW).last_hidden_state
        f_BDhw = backbone.feature_map(x_B3HW)
    norm = backbone.get_submodule("network.layernorm")
    for image in range(2):
        pooled_D = last_BDhw[image].mean(dim=(1, 2)).double()
        deviation = ((pooled_D - pooled_D.mean()) ** 2).mean().add(1e-12).sqrt()
        for row in range(f_BDhw.shape[2]):
            for column in range(f_BDhw.shape[3]):
                scaled_D = (last_BDhw[image, :, row, column].double() - pooled_D.mean()) / deviation
                expected_D = scaled_D * norm.get_parameter("weight") + norm.get_parameter("bias")
                torch.testing.assert_close(f_BDhw[image, :, row, column].double(), expected_D, rtol=1e-3, atol=1e-3)


def test_dino_places_are_its_patch_tokens_moved_to_the_cls_token(published: Published) -> None:
    backbone = build("dino_vitb16", published)
    assert not backbone.mean_pooled
    network, x_B3HW = backbone.get_submodule("network"), backbone.normalise(images(32, 48))
    with torch.no_grad():
        tokens_BTD = network(x_B3HW, interpolate_pos_encoding=True).last_hidden_state
        f_BDhw = backbone.feature_map(x_B3HW)
    assert f_BDhw.shape[2:] == (4, 6)
    shift_BD = tokens_BTD[:, 0] - tokens_BTD[:, 1:].mean(dim=1)
    for row in range(4):
        for column in range(6):
            torch.testing.assert_close(f_BDhw[:, :, row, column], tokens_BTD[:, 1 + row * 6 + column] + shift_BD)


@pytest.mark.parametrize("name", list_backbones())
def test_what_places_bring_to_the_embedding_has_the_embedding_as_its_mean(name: str, published: Published) -> None:
    given = {"weights": str(published(name))} if name in GIVEN else {}
    config = EncoderConfig(backbone=name, dim=4 if backbone_card(name).classes else None, image_size=64, **given)
    encoder = Encoder(config, pretrained=name not in UNTRAINED)
    if encoder.modality_bias is not None:
        encoder.modality_bias.data.normal_(generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        z_Bdhw = encoder.local_features(images(), SKETCH_AND_PHOTO)
        features_Bd, unit_Bd = encoder.features(images(), SKETCH_AND_PHOTO), encoder(images(), SKETCH_AND_PHOTO)
    mean_Bd = z_Bdhw.mean(dim=(2, 3))
    torch.testing.assert_close(mean_Bd, features_Bd, rtol=1e-4, atol=1e-4 * float(features_Bd.abs().max()))
    torch.testing.assert_close(F.normalize(mean_Bd, dim=1), unit_Bd, rtol=1e-4, atol=1e-4)
