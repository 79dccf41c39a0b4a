"""``dino_vits16``, ``dino_vitb16``: the vision transformers of DINO (ICCV 2021), as on the Hugging Face hub.

The features are the CLS token's after the final LayerNorm. They were trained without labels and have no classifier.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import read_network
from sketchray.encoders.tokens import TokenBackbone
from sketchray.encoders.transformers_backbone import NetworkSizes, register_library_backbone


class ViTSizes(NetworkSizes):
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

    @property
    def dim(self) -> int:
        """The width of a token."""
        return self.hidden_size


class DinoViT(TokenBackbone):
    """The vision transformer without a head: the library's ``ViTModel`` without its pooler."""

    Sizes = ViTSizes
    kinds = ("vit",)

    @classmethod
    def random(cls, transformers: Any, sizes: ViTSizes) -> nn.Module:
        """Return a ``ViTModel``."""
        settings = transformers.ViTConfig(**sizes.model_dump())
        network: nn.Module = transformers.ViTModel(settings, add_pooling_layer=False)
        return network

    @classmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, None]:
        """Return a ``ViTModel`` with a folder's weights."""
        network, _ = read_network(transformers.ViTModel, name, folder, add_pooling_layer=False)
        return network, None

    def tokens(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens after the final LayerNorm, which the library applies to all of them."""
        t_BTD: Tensor = self.network(x_B3HW, interpolate_pos_encoding=True).last_hidden_state
        return t_BTD

    def stages(self) -> list[nn.Module]:
        """Return the embeddings, the blocks and the final LayerNorm."""
        return [self.network.embeddings, *self.network.layers, self.network.layernorm]


def card(size: str, *, millions: float, dim: int) -> BackboneCard:
    """Return the card of a size."""
    return BackboneCard(
        name=f"dino_vit{size}", title=f"ViT-{size[0].upper()}/16 of DINO (ICCV 2021)",
        weights=f"hub facebook/dino-vit{size}", extra="transformers", licence="Apache-2.0", millions=millions, dim=dim,
        trained_at=224, stride=16, classes=0, mean_pooled=False,
    )  # fmt: skip


SMALL = ViTSizes(hidden_size=384, num_attention_heads=6, intermediate_size=1536)
register_library_backbone(DinoViT, card("s16", millions=21.7, dim=384), SMALL)
register_library_backbone(DinoViT, card("b16", millions=85.8, dim=768), ViTSizes())
