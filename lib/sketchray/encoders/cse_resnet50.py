"""``cse_resnet50``: the CSE-ResNet from the published SE-ResNet50, a .pth or .safetensors file."""

from typing import Any

import torch
from torch import Tensor

from sketchray.config import build_config
from sketchray.encoders.backbones import register_backbone
from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.cse_resnet import CSEResNet, CSEResNetConfig
from sketchray.encoders.weights import find_weights, read_tensors

NAME = "cse_resnet50"
CARD = BackboneCard(
    name=NAME, title="CSE-ResNet50 (SAKE, ICCV 2019) from SE-ResNet50 (CVPR 2018)",
    weights="hub timm/legacy_seresnet50.in1k", licence="not checked: see its hub card",
    millions=26.1, dim=2048, trained_at=224, stride=32, classes=1000,
)  # fmt: skip


def cse_resnet50(*, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> CSEResNet:
    """Build the network; arguments as `create_backbone`.

    Raises:
        ValueError: weights missing, of another network, or of other sizes than ``architecture`` states.
    """
    stated = build_config(CSEResNetConfig, architecture or {}, where="encoder.architecture.")
    if not pretrained:
        return CSEResNet(CARD, stated)
    path = find_weights(NAME, weights, published=CARD.weights)
    published = read_tensors(NAME, path)
    try:
        found = sizes(published)
        if architecture is not None and found != stated:
            raise ValueError(f"its sizes are {found}, and `architecture` states {stated}")
        backbone = CSEResNet(CARD, found)
        backbone.head = published.pop("last_linear.weight"), published.pop("last_linear.bias")
        backbone.load_state_dict({name: conditioned(name, tensor) for name, tensor in published.items()})
    except KeyError as error:
        raise ValueError(f"backbone {NAME}: {path} is no SE-ResNet, it lacks {error}") from error
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"backbone {NAME}: {path} does not fit: {error}") from error
    return backbone


def sizes(published: dict[str, Tensor]) -> CSEResNetConfig:
    """Read the sizes of an SE-ResNet from the shapes of its parameters."""
    blocks = {tuple(name.split(".")[:2]) for name in published if name.startswith("layer") and ".conv1." in name}
    stages = sorted({stage for stage, _ in blocks} - {"layer0"})
    gate_rC11 = published["layer1.0.se_module.fc1.weight"]
    return CSEResNetConfig(
        layers=tuple(sum(stage == one for one, _ in blocks) for stage in stages),
        widths=tuple(len(published[f"{stage}.0.conv1.weight"]) for stage in stages),
        stem=len(published["layer0.conv1.weight"]),
        reduction=gate_rC11.shape[1] // gate_rC11.shape[0],
    )


def conditioned(name: str, tensor: Tensor) -> Tensor:
    """Return a published parameter as the conditional network has it: gates take the modality, with weight zero."""
    if not name.endswith("se_module.fc2.weight"):
        return tensor
    return torch.cat([tensor, tensor.new_zeros(len(tensor), 1, 1, 1)], dim=1)


register_backbone(CARD, cse_resnet50)
