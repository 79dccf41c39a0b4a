"""``resnet18``, ``resnet50``: the ResNets (CVPR 2016; of 50, version 1.5), as on the Hugging Face hub."""

import itertools
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import read_network
from sketchray.encoders.transformers_backbone import Head, LibraryBackbone, NetworkSizes, register_library_backbone


class ResNetSizes(NetworkSizes):
    """Sizes under the library's names; those of ResNet-50.

    Attributes:
        depths: blocks in each stage.
        hidden_sizes: channels of each stage.
        embedding_size: channels of the first convolution.
        layer_type: what a block is: two convolutions, or three around a bottleneck.
        hidden_act: activation.
        downsample_in_first_stage: the first stage halves the resolution too.
        downsample_in_bottleneck: a block's first convolution has the stride, as in version 1, not the second.
    """

    depths: tuple[int, ...] = (3, 4, 6, 3)
    hidden_sizes: tuple[int, ...] = (256, 512, 1024, 2048)
    embedding_size: int = 64
    layer_type: Literal["basic", "bottleneck"] = "bottleneck"
    hidden_act: str = "relu"
    downsample_in_first_stage: bool = False
    downsample_in_bottleneck: bool = False

    @property
    def dim(self) -> int:
        """The channels of the last stage."""
        return self.hidden_sizes[-1]


class ResNet(LibraryBackbone):
    """The library's ``ResNetModel``."""

    Sizes = ResNetSizes
    kinds = ("resnet",)

    @classmethod
    def random(cls, transformers: Any, sizes: ResNetSizes) -> nn.Module:
        """Return a ``ResNetModel``."""
        network: nn.Module = transformers.ResNetModel(transformers.ResNetConfig(**sizes.model_dump()))
        return network

    @classmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, Head]:
        """Return a ``ResNetModel`` with a folder's weights, and its classifier if it is there."""
        head = ("classifier.1.weight", "classifier.1.bias")
        model, has_head = read_network(transformers.ResNetForImageClassification, name, folder, may_lack=head)
        classifier = model.classifier[1]
        return model.resnet, (classifier.weight.detach(), classifier.bias.detach()) if has_head else None

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the last block's maps."""
        f_BDhw: Tensor = self.network(x_B3HW).last_hidden_state
        return f_BDhw

    def stages(self) -> list[nn.Module]:
        """Return the stem and the blocks."""
        return [self.network.embedder, *itertools.chain(*(stage.layers for stage in self.network.encoder.stages))]


def card(depth: int, *, millions: float, dim: int) -> BackboneCard:
    """Return the card of a depth."""
    return BackboneCard(
        name=f"resnet{depth}", title=f"ResNet-{depth} (CVPR 2016)", weights=f"hub microsoft/resnet-{depth}",
        extra="transformers", licence="Apache-2.0", millions=millions, dim=dim, trained_at=224, stride=32, classes=1000,
    )  # fmt: skip


RESNET18 = ResNetSizes(depths=(2, 2, 2, 2), hidden_sizes=(64, 128, 256, 512), layer_type="basic")
register_library_backbone(ResNet, card(18, millions=11.2, dim=512), RESNET18)
register_library_backbone(ResNet, card(50, millions=23.5, dim=2048), ResNetSizes())
