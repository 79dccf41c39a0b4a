"""DINOv2, CLIP and ResNet: features are what their publishers' own classes give; sizes are those of their cards."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sketchray.encoders import backbone_card, create_backbone, list_backbones


def pictures(size: int) -> Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [32, 48])
def test_dinov2_features_are_the_cls_token_after_the_final_norm(dinov2_weights: Path, size: int) -> None:
    from transformers import Dinov2Model

    backbone = create_backbone("dinov2_vits14", weights=str(dinov2_weights))
    model = Dinov2Model.from_pretrained(dinov2_weights).eval()
    with torch.no_grad():
        torch.testing.assert_close(backbone(pictures(size)), model(pictures(size)).pooler_output)
    assert (backbone.dim, len(backbone.stages())) == (12, 1 + 2 + 1)


def test_clip_features_are_what_the_whole_model_compares_with_texts(clip_weights: Path, tmp_path: Path) -> None:
    from transformers import CLIPModel, CLIPVisionModelWithProjection

    backbone = create_backbone("clip_vitb32", weights=str(clip_weights))
    model = CLIPModel.from_pretrained(clip_weights).eval()
    texts = torch.tensor([[1, 5, 2], [1, 7, 2]])
    with torch.no_grad():
        f_BD = backbone(pictures(32))
        whole = model(pixel_values=pictures(32), input_ids=texts)
        torch.testing.assert_close(torch.nn.functional.normalize(f_BD, dim=1), whole.image_embeds)
    assert (backbone.dim, len(backbone.stages())) == (6, 1 + 2 + 1)

    CLIPVisionModelWithProjection.from_pretrained(clip_weights).save_pretrained(tmp_path / "images")
    half = create_backbone("clip_vitb32", weights=str(tmp_path / "images"))
    assert half.architecture == backbone.architecture
    with torch.no_grad():
        assert torch.equal(half(pictures(32)), f_BD)


def test_clip_places_are_its_patches_projected_and_moved_to_the_image(clip_weights: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    backbone = create_backbone("clip_vitb32", weights=str(clip_weights))
    model = CLIPVisionModelWithProjection.from_pretrained(clip_weights).eval()
    with torch.no_grad():
        output = model(pictures(32))
        places_BPD = model.visual_projection(model.vision_model.post_layernorm(output.last_hidden_state[:, 1:]))
        shift_BD = output.image_embeds - places_BPD.mean(dim=1)
        f_BDhw = backbone.feature_map(pictures(32))
    for row in range(4):
        for column in range(4):
            torch.testing.assert_close(f_BDhw[:, :, row, column], places_BPD[:, row * 4 + column] + shift_BD)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_resnet_features_are_what_its_classifier_sees(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from transformers import ResNetForImageClassification, ResNetModel

    weights = request.getfixturevalue(f"{name}_weights")
    backbone = create_backbone(name, weights=str(weights))
    model = ResNetForImageClassification.from_pretrained(weights).eval()
    weight_KD, bias_K = backbone.classifier()
    with torch.no_grad():
        f_BD = backbone(pictures(64))
        torch.testing.assert_close(f_BD @ weight_KD.T + bias_K, model(pictures(64)).logits)
    assert len(backbone.stages()) == 1 + (1 + 2)

    ResNetModel.from_pretrained(weights).save_pretrained(tmp_path / "bare")
    bare = create_backbone(name, weights=str(tmp_path / "bare"))
    with torch.no_grad():
        assert torch.equal(bare(pictures(64)), f_BD)
    with pytest.raises(ValueError, match=f"backbone {name} has no classifier"):
        bare.classifier()


@pytest.mark.parametrize("name", list_backbones())
def test_a_card_states_the_published_networks_sizes(name: str) -> None:
    card = backbone_card(name)
    if card.weights.startswith("pip"):
        backbone = create_backbone(name, pretrained=False)
    else:
        with torch.device("meta"):
            backbone = create_backbone(name, pretrained=False)
    millions = sum(parameter.numel() for parameter in backbone.parameters()) / 1e6
    assert (card.name, card.dim) == (name, backbone.dim)
    assert card.millions == pytest.approx(millions, abs=0.05)
    assert card.licence
    assert card.title
    assert (backbone.mean, backbone.std) == (card.mean, card.std)


@pytest.mark.parametrize("name", list_backbones())
def test_channels_last_gives_the_same_features(name: str, published: Callable[[str], Path]) -> None:
    weights = str(published(name)) if backbone_card(name).weights.startswith("hub ") else None
    torch.manual_seed(0)
    pretrained = name not in ("efficientnet_lite1", "efficientnet_lite2")  # whose weights the tests do not have
    backbone = create_backbone(name, pretrained=pretrained, weights=weights)
    x_B3HW = pictures(64)
    with torch.no_grad():
        expected_BD = backbone(x_B3HW)
        last = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        f_BD = last(x_B3HW.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(f_BD, expected_BD, rtol=1e-3, atol=1e-4 * float(expected_BD.abs().max()))
