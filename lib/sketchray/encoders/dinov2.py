"""``dinov2_vits14``, ``dinov2_vitb14``: the vision transformers of DINOv2 (TMLR 2024), as on the Hugging Face hub.

The features are the CLS token's after the final LayerNorm. They were trained without labels and have no classifier.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import read_network
from sketchray.encoders.tokens import TokenBackbone
from sketchray.encoders.transformers_backbone import NetworkSizes, register_library_backbone


class Dinov2Sizes(NetworkSizes):
    """Sizes under the library's names; those of the Base network.

    Attributes:
        image_size: side of the images that the position embeddings were learnt for, pixels.
        patch_size: side of a patch, pixels.
        hidden_size: width of a token.
        num_hidden_layers: transformer blocks.
        num_attention_heads: in each block.
        mlp_ratio: width inside the blocks' MLP over that of a token.
        hidden_act: its activation.
        layer_norm_eps: of every LayerNorm.
        qkv_bias: queries, keys and values have a bias.
        use_swiglu_ffn: the MLP is gated, as in the largest network.
    """

    image_size: int = 518
    patch_size: int = 14
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    mlp_ratio: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    qkv_bias: bool = True
    use_swiglu_ffn: bool = False

    @property
    def dim(self) -> int:
        """The width of a token."""
        return self.hidden_size


class Dinov2(TokenBackbone):
    """The library's ``Dinov2Model``, without the token that stood for hidden patches in its pretraining."""

    Sizes = Dinov2Sizes
    kinds = ("dinov2",)

    @classmethod
    def random(cls, transformers: Any, sizes: Dinov2Sizes) -> nn.Module:
        """Return a ``Dinov2Model``."""
        network: nn.Module = transformers.Dinov2Model(
            transformers.Dinov2Config(**sizes.model_dump(), use_mask_token=False)
        )
        return network

    @classmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, None]:
        """Return a ``Dinov2Model`` with a folder's weights."""
        network, _ = read_network(transformers.Dinov2Model, name, folder, use_mask_token=False)
        return network, None

    def tokens(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens after the final LayerNorm, which the library applies to all of them."""
        t_BTD: Tensor = self.network(x_B3HW).last_hidden_state
        return t_BTD

    def stages(self) -> list[nn.Module]:
        """Return the embeddings, the blocks and the final LayerNorm."""
        return [self.network.embeddings, *self.network.encoder.layer, self.network.layernorm]


def card(size: str, *, hub: str, millions: float, dim: int) -> BackboneCard:
    """Return the card of a size."""
    return BackboneCard(
        name=f"dinov2_vit{size}", title=f"ViT-{size[0].upper()}/14 of DINOv2 (TMLR 2024)",
        weights=f"hub facebook/{hub}", extra="transformers", licence="Apache-2.0", millions=millions, dim=dim,
        trained_at=518, stride=14, classes=0, mean_pooled=False,
    )  # fmt: skip


SMALL = Dinov2Sizes(hidden_size=384, num_attention_heads=6)
register_library_backbone(Dinov2, card("s14", hub="dinov2-small", millions=22.1, dim=384), SMALL)
register_library_backbone(Dinov2, card("b14", hub="dinov2-base", millions=86.6, dim=768), Dinov2Sizes())
