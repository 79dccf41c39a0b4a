"""ConvNeXt V2 and DINO's ViT: features as their publishers define them; weights that do not fit are refused by name."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from sketchray.encoders import create_backbone

NAMES = ["clip_vitb32", "convnextv2_tiny", "dino_vitb16", "dinov2_vits14", "resnet50"]


def pictures(size: int) -> Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_convnext_features_are_what_its_classifier_sees(convnextv2_weights: Path) -> None:
    from transformers import ConvNextV2ForImageClassification

    backbone = create_backbone("convnextv2_tiny", weights=str(convnextv2_weights))
    model = ConvNextV2ForImageClassification.from_pretrained(convnextv2_weights).eval()
    weight_KD, bias_K = backbone.classifier()
    with torch.no_grad():
        f_BD = backbone(pictures(64))
        torch.testing.assert_close(f_BD @ weight_KD.T + bias_K, model(pictures(64)).logits)
    # Global mean, then LayerNorm: before its scale and shift each row has mean 0 and variance 1.
    scale_D, shift_D = (backbone.get_parameter(f"network.layernorm.{name}") for name in ("weight", "bias"))
    plain_BD = (f_BD - shift_D) / scale_D
    torch.testing.assert_close(plain_BD.mean(dim=1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(plain_BD.var(dim=1, unbiased=False), torch.ones(3), atol=1e-3, rtol=0)
    assert backbone.architecture == {
        "depths": [1, 2], "hidden_sizes": [4, 8], "patch_size": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
    }  # fmt: skip
    assert len(backbone.stages()) == 1 + 1 + (1 + 2) + 1


def test_convnext_without_a_classifier_embeds_and_says_that_it_has_none(
    convnextv2_weights: Path, tmp_path: Path
) -> None:
    from transformers import ConvNextV2Model

    ConvNextV2Model.from_pretrained(convnextv2_weights).save_pretrained(tmp_path / "bare")
    with_head = create_backbone("convnextv2_tiny", weights=str(convnextv2_weights))
    backbone = create_backbone("convnextv2_tiny", weights=str(tmp_path / "bare"))
    with torch.no_grad():
        assert torch.equal(backbone(pictures(32)), with_head(pictures(32)))
    with pytest.raises(ValueError, match=r"backbone convnextv2_tiny has no classifier: .*`dim: null`"):
        backbone.classifier()


def test_dino_features_are_the_cls_token_after_the_final_norm(dino_weights: Path) -> None:
    from transformers import ViTModel

    backbone = create_backbone("dino_vitb16", weights=str(dino_weights))
    model = ViTModel.from_pretrained(dino_weights).eval()
    with torch.no_grad():
        torch.testing.assert_close(backbone(pictures(32)), model(pictures(32)).last_hidden_state[:, 0])
    assert (backbone.dim, len(backbone.stages())) == (12, 1 + 2 + 1)
    with pytest.raises(ValueError, match=r"backbone dino_vitb16 has no classifier"):
        backbone.classifier()


@pytest.mark.parametrize("size", [96, 224])
def test_dino_takes_other_sizes_with_its_position_embeddings_interpolated(dino_weights: Path, size: int) -> None:
    backbone = create_backbone("dino_vitb16", weights=str(dino_weights))
    resized = create_backbone(
        "dino_vitb16", pretrained=False, architecture={**(backbone.architecture or {}), "image_size": size}
    )
    state = backbone.state_dict()
    positions_1TD = state["network.embeddings.position_embeddings"]
    grid_1Dhw = positions_1TD[:, 1:].transpose(1, 2).reshape(1, 12, 4, 4)
    grid_1Dhw = F.interpolate(grid_1Dhw, size=(size // 8, size // 8), mode="bicubic", align_corners=False)
    state["network.embeddings.position_embeddings"] = torch.cat(
        [positions_1TD[:, :1], grid_1Dhw.flatten(2).transpose(1, 2)], dim=1
    )
    resized.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(backbone(pictures(size)), resized(pictures(size)))


@pytest.mark.parametrize(("name", "millions"), [("convnextv2_tiny", 27.866), ("dino_vitb16", 85.799)])
def test_sizes_are_those_of_the_published_network_unless_stated(name: str, millions: float) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name, pretrained=False)
    assert backbone.dim == 768
    assert sum(parameter.numel() for parameter in backbone.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)


def change_config(folder: Path, **values: Any) -> None:
    """Change values, and in CLIP's the same ones of its image tower."""
    config = json.loads((folder / "config.json").read_text())
    if "vision_config" in config:
        config["vision_config"] |= values
    (folder / "config.json").write_text(json.dumps(config | values))


def drop(folder: Path, *endings: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.endswith(endings)}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


WRONG: dict[str, tuple[Any, str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json of a network"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "holds no config.json of a network"),
    "another network": (lambda f: change_config(f, model_type="swin"), "holds a network of type swin"),
    "other sizes": (
        lambda f: change_config(f, hidden_size=16, hidden_sizes=[16, 16], depths=[2, 2]),
        "the weights in .* (cannot be read|lack)",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "the weights in .* cannot be read"),
    "truncated": (lambda f: (f / "model.safetensors").write_bytes(b"\x08" * 50), "the weights in .* cannot be read"),
    "one missing": (
        lambda f: drop(f, "layernorm.bias", "normalization.bias"),
        r"the weights in .* lack parameters: .*norm(alization)?\.bias",
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", WRONG)
def test_a_folder_that_does_not_fill_the_network_is_refused(name: str, kind: str, published: Any) -> None:
    folder = published(name)
    damage, message = WRONG[kind]
    damage(folder)
    with pytest.raises(ValueError, match=rf"(?s)backbone {name}: .*{message}"):
        create_backbone(name, weights=str(folder))


@pytest.mark.parametrize("name", NAMES)
def test_a_stated_architecture_must_be_that_of_the_weights(name: str, published: Any) -> None:
    with pytest.raises(ValueError, match=r"has the sizes .*, and `architecture` states"):
        create_backbone(name, weights=str(published(name)), architecture={"hidden_act": "silu"})
    with pytest.raises(ValueError, match=r"unknown key encoder\.architecture\.heads"):
        create_backbone(name, weights=str(published(name)), architecture={"heads": 3})


@pytest.mark.parametrize("name", NAMES)
def test_without_the_library_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=rf"backbone {name} needs the package transformers: pip install 'sketchray\["):
        create_backbone(name)
