"""Heads on an embedding that training needs and the shipped encoder does not."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sketchray.encoders import Encoder, factorise


class Classifier(nn.Module):
    """Logits of the seen classes from embeddings before normalisation.

    Attributes:
        prototypes_Cd: one row of weights a class.
    """

    prototypes_Cd: nn.Parameter


class CosineClassifier(Classifier):
    """Logits = cosine to a learned prototype of each class, over a temperature.

    Unlike a linear layer it cannot separate classes by the length of a vector, which ranking by cosine ignores.

    Args:
        dim: width d of the embedding.
        n_classes: C prototypes; they start at random.
        temperature: t > 0.
    """

    def __init__(self, dim: int, n_classes: int, *, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.prototypes_Cd = nn.Parameter(F.normalize(torch.randn(n_classes, dim), dim=1))

    def forward(self, features_Bd: Tensor) -> Tensor:
        """Return logits_BC."""
        return F.normalize(features_Bd, dim=1) @ F.normalize(self.prototypes_Cd, dim=1).T / self.temperature


class LinearClassifier(Classifier):
    """Logits = W f + b, which start so small that all classes are equally likely (SBKA's released code).

    Args:
        dim: width d of the embedding.
        n_classes: C.
    """

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.prototypes_Cd = nn.Parameter(2e-5 * torch.randn(n_classes, dim))
        self.bias_C = nn.Parameter(torch.zeros(n_classes))

    def forward(self, features_Bd: Tensor) -> Tensor:
        """Return logits_BC."""
        return F.linear(features_Bd, self.prototypes_Cd, self.bias_C)


def create_classifier(
    kind: Literal["cosine", "linear"], dim: int, n_classes: int, *, temperature: float
) -> CosineClassifier | LinearClassifier:
    """Build a classifier of the seen classes; only the cosine one has a temperature."""
    return (
        CosineClassifier(dim, n_classes, temperature=temperature)
        if kind == "cosine"
        else LinearClassifier(dim, n_classes)
    )


def logit_head(encoder: Encoder) -> nn.Linear:
    """Return a trainable head from a fresh encoder's embedding to the logits of its backbone's own classifier.

    With an embedding from the SVD W = U S V^T the head is U_d and the product is W's best approximation of rank d.
    """
    weight_KD, bias_K = encoder.backbone.classifier()
    weight_Kd = weight_KD if encoder.config.dim is None else factorise(weight_KD, encoder.config.dim)[1]
    head = nn.Linear(encoder.dim, len(bias_K))
    head.weight.data.copy_(weight_Kd)
    head.bias.data.copy_(bias_K)
    return head
