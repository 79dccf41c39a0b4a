"""``convnextv2_atto``, ``convnextv2_tiny``: ConvNeXt V2 (CVPR 2023), as on the Hugging Face hub.

The features are the last maps' mean over the image, normalised by the final LayerNorm: what its classifier sees.
"""

import itertools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import read_network
from sketchray.encoders.transformers_backbone import Head, LibraryBackbone, NetworkSizes, register_library_backbone


class ConvNeXtV2Sizes(NetworkSizes):
    """Sizes under the library's names; those of the Tiny network.

    Attributes:
        depths: blocks in each stage.
        hidden_sizes: channels of each stage.
        patch_size: side of the first convolution and its stride, pixels.
        hidden_act: activation inside the blocks.
        layer_norm_eps: of the final LayerNorm.
    """

    depths: tuple[int, ...] = (3, 3, 9, 3)
    hidden_sizes: tuple[int, ...] = (96, 192, 384, 768)
    patch_size: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12

    @property
    def dim(self) -> int:
        """The channels of the last stage."""
        return self.hidden_sizes[-1]


class ConvNeXtV2(LibraryBackbone):
    """The library's ``ConvNextV2Model``."""

    Sizes = ConvNeXtV2Sizes
    kinds = ("convnextv2",)

    @classmethod
    def random(cls, transformers: Any, sizes: ConvNeXtV2Sizes) -> nn.Module:
        """Return a ``ConvNextV2Model``."""
        settings = transformers.ConvNextV2Config(**sizes.model_dump(), num_stages=len(sizes.depths))
        network: nn.Module = transformers.ConvNextV2Model(settings)
        return network

    @classmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, Head]:
        """Return a ``ConvNextV2Model`` with a folder's weights, and its classifier if it is there."""
        head = ("classifier.weight", "classifier.bias")
        model, has_head = read_network(transformers.ConvNextV2ForImageClassification, name, folder, may_lack=head)
        classifier = model.classifier
        return model.convnextv2, (classifier.weight.detach(), classifier.bias.detach()) if has_head else None

    def forward(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the pooled and normalised features."""
        f_BD: Tensor = self.network(x_B3HW).pooler_output
        return f_BD

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the last maps through the final LayerNorm with the mean and variance of the pooled features.

        Given those two numbers of an image the LayerNorm is affine, so that it can be applied at each place: the mean
        over the places is the network's own.
        """
        f_BDhw: Tensor = self.network(x_B3HW).last_hidden_state
        norm: nn.LayerNorm = self.network.layernorm
        variance_B111, mean_B111 = torch.var_mean(
            f_BDhw.mean(dim=(2, 3), keepdim=True), dim=1, keepdim=True, correction=0
        )
        scaled_BDhw = (f_BDhw - mean_B111) * torch.rsqrt(variance_B111 + norm.eps)
        return scaled_BDhw * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)

    def stages(self) -> list[nn.Module]:
        """Return the stem, each stage's downsampling (the first has none) and blocks, and the final LayerNorm."""
        stages = [(stage.downsampling_layer, *stage.layers) for stage in self.network.encoder.stages]
        return [self.network.embeddings, *stages[0][1:], *itertools.chain(*stages[1:]), self.network.layernorm]


def card(size: str, *, millions: float, dim: int) -> BackboneCard:
    """Return the card of a size."""
    return BackboneCard(
        name=f"convnextv2_{size}", title=f"ConvNeXt V2 {size.title()} (CVPR 2023)",
        weights=f"hub facebook/convnextv2-{size}-1k-224", extra="transformers",
        licence="CC-BY-NC by the authors' repository, Apache-2.0 by the hub card", millions=millions, dim=dim,
        trained_at=224, stride=32, classes=1000,
    )  # fmt: skip


ATTO = ConvNeXtV2Sizes(depths=(2, 2, 6, 2), hidden_sizes=(40, 80, 160, 320))
register_library_backbone(ConvNeXtV2, card("atto", millions=3.4, dim=320), ATTO)
register_library_backbone(ConvNeXtV2, card("tiny", millions=27.9, dim=768), ConvNeXtV2Sizes())
