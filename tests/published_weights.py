"""Fixtures: small random weights in the formats of the published ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

STEM, WIDTHS, LAYERS, REDUCTION, CLASSES = 6, (4, 8), (2, 1), 4, 10


def normalisation(name: str, channels: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the parameters and statistics of a batch normalisation."""
    values = {key: torch.randn(channels, generator=generator) for key in ("weight", "bias", "running_mean")}
    return {f"{name}.{key}": value for key, value in values.items()} | {
        f"{name}.running_var": torch.rand(channels, generator=generator) + 0.5
    }


@pytest.fixture
def se_resnet() -> dict[str, Tensor]:
    """The parameters of a small SE-ResNet under their published names; as in 2018, without ``num_batches_tracked``."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    tensors = {"layer0.conv1.weight": random(STEM, 3, 7, 7)} | normalisation("layer0.bn1", STEM, generator)
    channels = STEM
    for stage, (count, width) in enumerate(zip(LAYERS, WIDTHS, strict=True), start=1):
        out = 4 * width
        for block in range(count):
            name = f"layer{stage}.{block}"
            tensors |= {
                f"{name}.conv1.weight": random(width, channels, 1, 1),
                f"{name}.conv2.weight": random(width, width, 3, 3),
                f"{name}.conv3.weight": random(out, width, 1, 1),
                f"{name}.se_module.fc1.weight": random(out // REDUCTION, out, 1, 1),
                f"{name}.se_module.fc1.bias": random(out // REDUCTION),
                f"{name}.se_module.fc2.weight": random(out, out // REDUCTION, 1, 1),
                f"{name}.se_module.fc2.bias": random(out),
            }
            for index, size in ((1, width), (2, width), (3, out)):
                tensors |= normalisation(f"{name}.bn{index}", size, generator)
            if block == 0:
                tensors |= {f"{name}.downsample.0.weight": random(out, channels, 1, 1)}
                tensors |= normalisation(f"{name}.downsample.1", out, generator)
            channels = out
    return tensors | {"last_linear.weight": random(CLASSES, channels), "last_linear.bias": random(CLASSES)}


@pytest.fixture
def cse_resnet50_weights(tmp_path: Path, se_resnet: dict[str, Tensor]) -> Path:
    """Those parameters in a file."""
    path = tmp_path / "se_resnet.safetensors"
    save_file(se_resnet, path)
    return path


def save_randomised(network: torch.nn.Module, folder: Path) -> Path:
    """Save a network of transformers with random parameters, the normalisations' and biases too."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    network.save_pretrained(folder)  # type: ignore[operator]
    return folder


@pytest.fixture
def convnextv2_weights(tmp_path: Path) -> Path:
    """A folder with a small ConvNeXt V2 and its classifier."""
    from transformers import ConvNextV2Config, ConvNextV2ForImageClassification

    config = ConvNextV2Config(hidden_sizes=[4, 8], depths=[1, 2], num_stages=2, num_labels=CLASSES, drop_path_rate=0.5)
    return save_randomised(ConvNextV2ForImageClassification(config), tmp_path / "convnextv2")


@pytest.fixture
def dino_weights(tmp_path: Path) -> Path:
    """A folder with a small ViT for images of 32 pixels, and a pooler, which DINO's has too and nobody trained."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=32, patch_size=8,
        hidden_dropout_prob=0.5,
    )  # fmt: skip
    return save_randomised(ViTModel(config), tmp_path / "dino")


@pytest.fixture
def dinov2_weights(tmp_path: Path) -> Path:
    """A folder with a small DINOv2 for images of 32 pixels, with the token of its pretraining."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=12, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=32, patch_size=8,
        drop_path_rate=0.5,
    )  # fmt: skip
    return save_randomised(Dinov2Model(config), tmp_path / "dinov2")


@pytest.fixture
def clip_weights(tmp_path: Path) -> Path:
    """A folder with a small CLIP, texts and images: for images of 32 pixels."""
    from transformers import CLIPConfig, CLIPModel

    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "projection_dim": 6}
    config = CLIPConfig(
        text_config={**common, "hidden_size": 8, "vocab_size": 20},
        vision_config={**common, "hidden_size": 12, "image_size": 32, "patch_size": 8, "attention_dropout": 0.5},
        projection_dim=6,
    )
    return save_randomised(CLIPModel(config), tmp_path / "clip")


@pytest.fixture
def resnet18_weights(tmp_path: Path) -> Path:
    """A folder with a small ResNet of plain blocks and its classifier."""
    return save_resnet(tmp_path / "resnet18", layer_type="basic", hidden_sizes=[4, 8])


@pytest.fixture
def resnet50_weights(tmp_path: Path) -> Path:
    """A folder with a small ResNet of bottlenecks and its classifier."""
    return save_resnet(tmp_path / "resnet50", layer_type="bottleneck", hidden_sizes=[8, 16])


def save_resnet(folder: Path, **sizes: Any) -> Path:
    """Save a small ResNet whose normalisations have statistics, as after a training."""
    from transformers import ResNetConfig, ResNetForImageClassification

    network = ResNetForImageClassification(ResNetConfig(embedding_size=6, depths=[1, 2], num_labels=CLASSES, **sizes))
    generator = torch.Generator().manual_seed(1)
    for name, statistic in network.named_buffers():
        if statistic.is_floating_point():
            statistic.copy_(torch.rand(statistic.shape, generator=generator) + (0.5 if name.endswith("var") else 0.0))
    return save_randomised(network, folder)


@pytest.fixture
def published(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Return where small random weights for a backbone are, by its name."""
    kinds = {"cse": "cse_resnet50", "convnextv2": "convnextv2", "dino": "dino", "dinov2": "dinov2", "clip": "clip"}

    def of(name: str) -> Path:
        kind = name.partition("_")[0]
        path: Path = request.getfixturevalue(f"{kinds.get(kind, kind)}_weights")
        return path

    return of
