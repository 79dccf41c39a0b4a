"""``clip_vitb32``, ``clip_vitb16``: the image towers of CLIP (ICML 2021), as on the Hugging Face hub.

The features are the projected ones that CLIP compares with its texts. They have no classifier of classes.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import read_network
from sketchray.encoders.tokens import TokenBackbone
from sketchray.encoders.transformers_backbone import NetworkSizes, register_library_backbone

MEAN, STD = (122.7709383, 116.7460125, 104.09373615), (68.5005327, 66.6321375, 70.32316305)  # CLIP's own, times 255


class ClipSizes(NetworkSizes):
    """Sizes under the library's names; those of ViT-B.

    Attributes:
        image_size: side of the images that the position embeddings were learnt for, pixels.
        patch_size: side of a patch, pixels.
        hidden_size: width of a token.
        num_hidden_layers: transformer blocks.
        num_attention_heads: in each block.
        intermediate_size: width inside the blocks' MLP.
        hidden_act: its activation.
        layer_norm_eps: of every LayerNorm.
        projection_dim: width of the space that images share with texts.
    """

    image_size: int = 224
    patch_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    projection_dim: int = 512

    @property
    def dim(self) -> int:
        """The width of the shared space."""
        return self.projection_dim


class ClipViT(TokenBackbone):
    """The library's ``CLIPVisionModelWithProjection``, from a folder of the whole model or of this half."""

    Sizes = ClipSizes
    kinds = ("clip", "clip_vision_model")
    section = "vision_config"

    @classmethod
    def random(cls, transformers: Any, sizes: ClipSizes) -> nn.Module:
        """Return a ``CLIPVisionModelWithProjection``."""
        settings = transformers.CLIPVisionConfig(**sizes.model_dump())
        network: nn.Module = transformers.CLIPVisionModelWithProjection(settings)
        return network

    @classmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, None]:
        """Return a ``CLIPVisionModelWithProjection`` with a folder's weights."""
        network, _ = read_network(transformers.CLIPVisionModelWithProjection, name, folder)
        return network, None

    def tokens(self, x_B3HW: Tensor) -> Tensor:
        """Return the last block's tokens."""
        t_BTD: Tensor = self.network.vision_model(x_B3HW, interpolate_pos_encoding=True).last_hidden_state
        return t_BTD

    def project(self, t_BTD: Tensor) -> Tensor:
        """Return the tokens through the final LayerNorm and into the shared space."""
        f_BTD: Tensor = self.network.visual_projection(self.network.vision_model.post_layernorm(t_BTD))
        return f_BTD

    def stages(self) -> list[nn.Module]:
        """Return the embeddings with their LayerNorm, the blocks, and the final LayerNorm with the projection."""
        vision = self.network.vision_model
        stem = nn.ModuleList([vision.embeddings, vision.pre_layrnorm])
        return [stem, *vision.encoder.layers, nn.ModuleList([vision.post_layernorm, self.network.visual_projection])]


def card(patch: int, *, millions: float) -> BackboneCard:
    """Return the card of a patch size."""
    return BackboneCard(
        name=f"clip_vitb{patch}", title=f"ViT-B/{patch} of CLIP (ICML 2021)",
        weights=f"hub openai/clip-vit-base-patch{patch}", extra="transformers",
        licence="MIT for the repository, which does not name the weights", millions=millions, dim=512, trained_at=224,
        stride=patch, classes=0, mean_pooled=False, mean=MEAN, std=STD,
    )  # fmt: skip


register_library_backbone(ClipViT, card(32, millions=87.8), ClipSizes(patch_size=32))
register_library_backbone(ClipViT, card(16, millions=86.2), ClipSizes(patch_size=16))
