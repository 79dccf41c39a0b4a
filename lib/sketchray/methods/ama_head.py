"""AMA's networks: an encoder with DINO's head, and the teacher that follows the student."""

import copy
import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sketchray.encoders import Encoder
from sketchray.methods.ama_config import HeadConfig


class DINOHead(nn.Module):
    """Three layers with GELU, a unit vector, and cosines to K learned directions (DINO, ICCV 2021).

    The last layer is DINO's weight-normed one with its norms fixed at 1.

    Args:
        dim: width of the features.
        config: the widths.
    """

    def __init__(self, dim: int, config: HeadConfig) -> None:
        super().__init__()
        widths = (dim, config.hidden, config.hidden, config.bottleneck)
        layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
        for layer in layers:
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.mlp = nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
        self.directions_KE = nn.Parameter(F.normalize(torch.randn(config.outputs, config.bottleneck), dim=1))

    def forward(self, features_BD: Tensor) -> Tensor:
        """Return outputs_BK within -1 to 1."""
        return F.normalize(self.mlp(features_BD), dim=1) @ F.normalize(self.directions_KE, dim=1).T


class Branch(nn.Module):
    """An encoder and its head: the student, or the teacher."""

    def __init__(self, encoder: Encoder, config: HeadConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = DINOHead(encoder.dim, config)

    def forward(self, crops: Sequence[Tensor], *, photo: bool) -> tuple[Tensor, Tensor]:
        """Look at all views of one modality.

        Args:
            crops: uint8 views, (B, V, 3, S, S) a size.
            photo: their modality.

        Returns:
            unit_VBD: unit features, the views in the order of the crops.
            outputs_VBK: of the head.
        """
        parts = []
        for views_BV3SS in crops:
            rows, views = views_BV3SS.shape[:2]
            images = views_BV3SS.transpose(0, 1).flatten(0, 1)
            photo_N = torch.full((len(images),), photo, device=images.device)
            parts.append(self.encoder.features(images, photo_N).view(views, rows, -1))
        features_VBD = torch.cat(parts)
        outputs_VBK = self.head(features_VBD.flatten(0, 1)).view(*features_VBD.shape[:2], -1)
        return F.normalize(features_VBD, dim=2), outputs_VBK

    def follower(self) -> "Branch":
        """Return a copy that no gradient reaches."""
        return copy.deepcopy(self).requires_grad_(False)

    @torch.no_grad()
    def follow(self, other: "Branch", *, half_life: float) -> None:
        """Move a step towards the other's weights: an exponential average, half of which is younger than the half-life.

        Args:
            other: who is followed.
            half_life: steps.
        """
        decay = 0.5 ** (1 / half_life)
        for mean, value in zip(self.parameters(), other.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
