"""``convnextv2_tiny``: ConvNeXt V2 (CVPR 2023), as ``facebook/convnextv2-tiny-1k-224`` on the Hugging Face hub.

The features are the last maps' mean over the image, normalised by the final LayerNorm: what its classifier sees.
"""

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from sketchray.config import Config
from sketchray.encoders.backbones import register_backbone
from sketchray.encoders.huggingface import library, read_network, read_sizes, stated_sizes
from sketchray.encoders.weights import BackboneOfWeights, find_weights

NAME = "convnextv2_tiny"


class ConvNeXtV2Config(Config):
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


class ConvNeXtV2(BackboneOfWeights):
    """The network without its classifier.

    Args:
        config: its sizes.
        network: the library's ``ConvNextV2Model`` of these sizes.
    """

    name = NAME

    def __init__(self, config: ConvNeXtV2Config, network: nn.Module) -> None:
        super().__init__()
        self.architecture = config.model_dump(mode="json")
        self.dim = config.hidden_sizes[-1]
        self.network: Any = network

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


def convnextv2_tiny(*, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> ConvNeXtV2:
    """Build the network, from weights with or without a classifier; arguments and errors as `create_backbone`."""
    transformers = library(NAME)
    if not pretrained:
        config = stated_sizes(ConvNeXtV2Config, architecture)
        sizes = config.model_dump() | {"num_stages": len(config.depths)}
        return ConvNeXtV2(config, transformers.ConvNextV2Model(transformers.ConvNextV2Config(**sizes)))
    folder = find_weights(NAME, weights)
    config = read_sizes(ConvNeXtV2Config, NAME, folder, kind="convnextv2", architecture=architecture)
    head = ("classifier.weight", "classifier.bias")
    model, has_head = read_network(transformers.ConvNextV2ForImageClassification, NAME, folder, may_lack=head)
    backbone = ConvNeXtV2(config, model.convnextv2)
    if has_head:
        backbone.head = model.classifier.weight.detach(), model.classifier.bias.detach()
    return backbone


register_backbone(NAME, convnextv2_tiny)
