"""CSE-ResNet: published weights give the published network, until its gates learn to listen to the modality."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from sketchray.encoders import Backbone, create_backbone

Tensors = dict[str, Tensor]


def pictures(size: int = 40) -> Tensor:
    return torch.randn(3, 3, size, size + 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def create(path: Path) -> Backbone:
    return create_backbone("cse_resnet50", weights=str(path)).double()


def se_resnet_by_hand(p: Tensors, x: Tensor) -> Tensor:
    """Run the unconditioned network from its parameters, as its publisher describes it: gates channel by channel."""

    def norm(name: str, x: Tensor) -> Tensor:
        m, v, w, b = (p[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias"))
        return (x - m) / (v + 1e-5).sqrt() * w + b

    def gate(name: str, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for row, maps in enumerate(x):
            means = [channel.mean() for channel in maps]
            fc1, b1, fc2, b2 = (p[f"{name}.{key}"] for key in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"))
            hidden = []
            for ws, b in zip(fc1, b1, strict=True):
                hidden.append((sum(w * m for w, m in zip(ws, means, strict=True)) + b).relu())
            for channel, (ws, b) in enumerate(zip(fc2, b2, strict=True)):
                score = sum(w * h for w, h in zip(ws, hidden, strict=True)) + b
                out[row, channel] = maps[channel] / (1 + (-score).exp())
        return out

    x = F.conv2d(x, p["layer0.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm("layer0.bn1", x).relu(), 3, stride=2, ceil_mode=True)
    for name, stride in (("layer1.0", 1), ("layer1.1", 1), ("layer2.0", 2)):
        y = norm(f"{name}.bn1", F.conv2d(x, p[f"{name}.conv1.weight"], stride=stride)).relu()
        y = norm(f"{name}.bn2", F.conv2d(y, p[f"{name}.conv2.weight"], padding=1)).relu()
        y = gate(f"{name}.se_module", norm(f"{name}.bn3", F.conv2d(y, p[f"{name}.conv3.weight"])))
        if f"{name}.downsample.0.weight" in p:
            x = norm(f"{name}.downsample.1", F.conv2d(x, p[f"{name}.downsample.0.weight"], stride=stride))
        x = (x + y).relu()
    return x.mean(dim=(2, 3))


def test_before_training_it_is_the_published_network_whatever_it_is_told(
    cse_resnet50_weights: Path, se_resnet: Tensors
) -> None:
    backbone = create(cse_resnet50_weights)
    expected = se_resnet_by_hand({name: tensor.double() for name, tensor in se_resnet.items()}, pictures())
    for told in (None, torch.tensor([False, False, False]), torch.tensor([True, False, True])):
        torch.testing.assert_close(backbone(pictures(), told), expected)


def test_trained_gates_hear_the_modality_of_each_picture(cse_resnet50_weights: Path) -> None:
    backbone = create(cse_resnet50_weights)
    before, mixed = backbone(pictures()), torch.tensor([True, False, True])
    backbone(pictures(), mixed).square().sum().backward()
    columns = [p for name, p in backbone.named_parameters() if name.endswith("fc2.weight")]
    assert len(columns) == 3
    for parameter in columns:
        assert parameter.grad is not None
        assert parameter.grad[:, -1].abs().max() > 0 == parameter.data[:, -1].abs().max()
        parameter.data[:, -1] -= 1.0
    after = backbone(pictures(), mixed)
    torch.testing.assert_close(after[1], before[1])  # the sketch
    assert not torch.isclose(after[[0, 2]], before[[0, 2]]).all(dim=1).any()


def test_names_of_parameters_are_the_published_ones(cse_resnet50_weights: Path, se_resnet: Tensors) -> None:
    state = create_backbone("cse_resnet50", weights=str(cse_resnet50_weights)).state_dict()
    published = {name for name in se_resnet if not name.startswith("last_linear.")}
    assert {name for name in state if not name.endswith("num_batches_tracked")} == published
    for name in published:
        kept = state[name][:, :-1] if name.endswith("se_module.fc2.weight") else state[name]
        assert torch.equal(kept, se_resnet[name])


def test_sizes_are_those_of_the_published_network_unless_the_weights_say_otherwise(cse_resnet50_weights: Path) -> None:
    published = create_backbone("cse_resnet50", pretrained=False)
    assert published.dim == 2048
    columns = 3 * 256 + 4 * 512 + 6 * 1024 + 3 * 2048  # a column in each block's gate
    count = sum(parameter.numel() for parameter in published.parameters())
    assert count == 28_088_024 - (2048 * 1000 + 1000) + columns  # SE-ResNet50 without its classifier
    backbone = create_backbone("cse_resnet50", weights=str(cse_resnet50_weights))
    assert backbone.architecture == {"layers": [2, 1], "widths": [4, 8], "stem": 6, "reduction": 4}
    assert (backbone.dim, len(backbone.stages())) == (32, 4)
    assert create_backbone("cse_resnet50", pretrained=False, architecture=backbone.architecture).dim == 32


def test_the_classifier_is_a_copy_of_the_published_one(cse_resnet50_weights: Path, se_resnet: Tensors) -> None:
    backbone = create_backbone("cse_resnet50", weights=str(cse_resnet50_weights))
    weight_KD, bias_K = backbone.classifier()
    assert torch.equal(weight_KD, se_resnet["last_linear.weight"])
    assert torch.equal(bias_K, se_resnet["last_linear.bias"])
    weight_KD.zero_()
    assert torch.equal(backbone.classifier()[0], se_resnet["last_linear.weight"])
    with pytest.raises(ValueError, match="backbone cse_resnet50 has no classifier"):
        create_backbone("cse_resnet50", pretrained=False, architecture=backbone.architecture).classifier()


@pytest.mark.parametrize("name", ["se_resnet50-ce0d4300.pth", "weights.pt", "model.safetensors"])
@pytest.mark.parametrize("folder", [False, True])
def test_a_file_of_tensors_or_a_folder_with_one_is_read(
    tmp_path: Path, se_resnet: Tensors, name: str, folder: bool
) -> None:
    path = tmp_path / name
    save_file(se_resnet, path) if path.suffix == ".safetensors" else torch.save(se_resnet, path)
    backbone = create_backbone("cse_resnet50", weights=str(tmp_path if folder else path))
    assert torch.equal(backbone.state_dict()["layer0.conv1.weight"], se_resnet["layer0.conv1.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last_linear.bias": None}, "is no SE-ResNet, it lacks 'last_linear.bias'"),
        ({"layer0.conv1.weight": None}, "is no SE-ResNet, it lacks 'layer0.conv1.weight'"),
        ({"layer1.1.bn2.running_var": None}, r"does not fit: .*layer1.1.bn2.running_var"),
        ({"layer2.0.conv2.weight": torch.zeros(1)}, r"does not fit: .*layer2.0.conv2.weight"),
        ({"layer3.norm.weight": torch.zeros(1)}, r"does not fit: .*layer3.norm.weight"),
    ],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, se_resnet: Tensors, change: dict[str, Tensor | None], message: str
) -> None:
    changed = {name: tensor for name, tensor in (se_resnet | change).items() if tensor is not None}
    save_file(changed, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=rf"(?s)backbone cse_resnet50: .*other.safetensors {message}"):
        create_backbone("cse_resnet50", weights=str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"layers": [2, 2], "widths": [4, 8]}, r"its sizes are .*layers=\(2, 1\).*states .*layers=\(2, 2\)"),
        ({"depth": 3}, r"unknown key encoder\.architecture\.depth"),
        ({"layers": [1]}, "1 stages of layers and 4 widths"),
    ],
)
def test_a_stated_architecture_must_be_one_and_that_of_the_weights(
    cse_resnet50_weights: Path, architecture: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        create_backbone("cse_resnet50", weights=str(cse_resnet50_weights), architecture=architecture)
