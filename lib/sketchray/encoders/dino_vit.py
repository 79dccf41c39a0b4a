"""``dino_vitb16``: the ViT-B/16 of DINO (ICCV 2021), as ``facebook/dino-vitb16`` on the Hugging Face hub.

The features are the CLS token's after the final LayerNorm. It was trained without labels and has no classifier.
"""

from typing import Any

from torch import Tensor, nn

from sketchray.config import Config
from sketchray.encoders.backbones import register_backbone
from sketchray.encoders.huggingface import library, read_network, read_sizes, stated_sizes
from sketchray.encoders.weights import BackboneOfWeights, find_weights

NAME = "dino_vitb16"


class ViTConfig(Config):
    """Sizes under the library's names; those of ViT-B/16.

    Attributes:
        image_size: side of the images that the position embeddings were learnt for, pixels.
        patch_size: side of a patch, pixels.
        hidden_size: width of a token.
        num_hidden_layers: transformer blocks.
        num_attention_heads: in each block.
        intermediate_size: width inside the blocks' MLP.
        hidden_act: its activation.
        layer_norm_eps: of every LayerNorm.
        qkv_bias: queries, keys and values have a bias.
    """

    image_size: int = 224
    patch_size: int = 16
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    qkv_bias: bool = True


class DinoViT(BackboneOfWeights):
    """The vision transformer without a head.

    Args:
        config: its sizes.
        network: the library's ``ViTModel`` of these sizes, without its pooler.
    """

    name = NAME
    mean_pooled = False

    def __init__(self, config: ViTConfig, network: nn.Module) -> None:
        super().__init__()
        self.architecture = config.model_dump(mode="json")
        self.dim = config.hidden_size
        self.network: Any = network

    def forward(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the CLS token; images may have any size, position embeddings are interpolated to it."""
        return self._tokens(x_B3HW)[:, 0]

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the patches' tokens, all shifted alike so that their mean is the CLS token.

        CLS gathers from the patches by attention in every block, so it has no parts by nature. The assumption is that a
        patch had the more to do with it the more its own token points the same way.
        """
        tokens_BTD = self._tokens(x_B3HW)
        cls_B1D, patches_BPD = tokens_BTD[:, :1], tokens_BTD[:, 1:]
        shifted_BPD = patches_BPD - patches_BPD.mean(dim=1, keepdim=True) + cls_B1D
        rows = x_B3HW.shape[2] // self.network.config.patch_size
        return shifted_BPD.transpose(1, 2).reshape(len(x_B3HW), self.dim, rows, -1)

    def _tokens(self, x_B3HW: Tensor) -> Tensor:
        tokens_BTD: Tensor = self.network(x_B3HW, interpolate_pos_encoding=True).last_hidden_state
        return tokens_BTD

    def stages(self) -> list[nn.Module]:
        """Return the embeddings, the blocks and the final LayerNorm."""
        return [self.network.embeddings, *self.network.layers, self.network.layernorm]


def dino_vitb16(*, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> DinoViT:
    """Build the network; arguments and errors as `create_backbone`."""
    transformers = library(NAME)
    if not pretrained:
        config = stated_sizes(ViTConfig, architecture)
        settings = transformers.ViTConfig(**config.model_dump())
        return DinoViT(config, transformers.ViTModel(settings, add_pooling_layer=False))
    folder = find_weights(NAME, weights)
    config = read_sizes(ViTConfig, NAME, folder, kind="vit", architecture=architecture)
    network, _ = read_network(transformers.ViTModel, NAME, folder, add_pooling_layer=False)
    return DinoViT(config, network)


register_backbone(NAME, dino_vitb16)
