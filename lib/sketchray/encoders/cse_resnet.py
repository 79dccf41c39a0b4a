"""CSE-ResNet: the ResNet with squeeze-and-excite whose gates are told the modality (SAKE, ICCV 2019, as released).

Layers, strides (on the first convolution of a block, as in Caffe) and names of the parameters are those of the
published ``se_resnet50`` (pretrained-models.pytorch). The second layer of each gate takes one more input: 0 for a
sketch, 1 for a photo. Its column starts at zero, so that an untrained network is the published one whatever it is told.

x_BCHW: images or feature maps; bit_B111: the modality.
"""

from typing import Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from sketchray.config import Config
from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.weights import BackboneOfWeights

EXPANSION = 4


class CSEResNetConfig(Config):
    """Sizes of the network; those of SE-ResNet50.

    Attributes:
        layers: blocks in each stage; all but the first stage halve the resolution.
        widths: channels inside the blocks of each stage; they give out four times as many.
        stem: channels of the first convolution.
        reduction: channels of a block over those inside its gate.
    """

    layers: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: int = Field(default=64, ge=1)
    reduction: int = Field(default=16, ge=1)

    @model_validator(mode="after")
    def _one_width_a_stage(self) -> Self:
        if not self.layers or len(self.layers) != len(self.widths):
            raise ValueError(f"{len(self.layers)} stages of layers and {len(self.widths)} widths")
        return self


class ConditionalGate(nn.Module):
    """Scale each channel by a number in (0, 1) that depends on all channels' means and on the modality."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction + 1, channels, 1)
        nn.init.zeros_(self.fc2.weight[:, -1])

    def forward(self, x_BCHW: Tensor, bit_B111: Tensor) -> Tensor:
        """Return the scaled maps."""
        squeezed_Br11 = F.relu(self.fc1(x_BCHW.mean(dim=(2, 3), keepdim=True)))
        return x_BCHW * torch.sigmoid(self.fc2(torch.cat([squeezed_Br11, bit_B111], dim=1)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the gate, and the shortcut."""

    def __init__(self, channels: int, width: int, *, stride: int, reduction: int) -> None:
        super().__init__()
        out = width * EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.se_module = ConditionalGate(out, reduction)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x_BCHW: Tensor, bit_B111: Tensor) -> Tensor:
        """Return the block's output."""
        y_BwHW = F.relu(self.bn1(self.conv1(x_BCHW)))
        y_BwHW = F.relu(self.bn2(self.conv2(y_BwHW)))
        y_BCHW = self.se_module(self.bn3(self.conv3(y_BwHW)), bit_B111)
        y_BCHW = y_BCHW + self.downsample(x_BCHW)
        return F.relu(y_BCHW)


class CSEResNet(BackboneOfWeights):
    """The network without its classifier; random until weights are loaded.

    Args:
        card: of the published network.
        config: sizes.
    """

    conditional = True

    def __init__(self, card: BackboneCard, config: CSEResNetConfig) -> None:
        super().__init__(card)
        self.architecture = config.model_dump(mode="json")
        self.dim = config.widths[-1] * EXPANSION
        self.layer0 = nn.Sequential()
        self.layer0.add_module("conv1", nn.Conv2d(3, config.stem, 7, stride=2, padding=3, bias=False))
        self.layer0.add_module("bn1", nn.BatchNorm2d(config.stem))
        self.layer0.add_module("relu1", nn.ReLU())
        self.layer0.add_module("pool", nn.MaxPool2d(3, stride=2, ceil_mode=True))
        channels = config.stem
        for stage, (count, width) in enumerate(zip(config.layers, config.widths, strict=True), start=1):
            layer = nn.Sequential()
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                layer.append(Bottleneck(channels, width, stride=stride, reduction=config.reduction))
                channels = width * EXPANSION
            self.add_module(f"layer{stage}", layer)
        self.depth = len(config.layers)

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:
        """Return the last block's maps, for images of any size."""
        bit_B111 = x_B3HW.new_zeros(len(x_B3HW), 1, 1, 1)
        if photo_B is not None:
            bit_B111 = photo_B.to(x_B3HW.dtype).view(-1, 1, 1, 1)
        x_BCHW: Tensor = self.layer0(x_B3HW)
        for block in self._blocks():
            x_BCHW = block(x_BCHW, bit_B111)
        return x_BCHW

    def stages(self) -> list[nn.Module]:
        """Return the stem and the blocks."""
        return [self.layer0, *self._blocks()]

    def _blocks(self) -> list[nn.Module]:
        return [block for stage in range(1, self.depth + 1) for block in self.get_submodule(f"layer{stage}").children()]
