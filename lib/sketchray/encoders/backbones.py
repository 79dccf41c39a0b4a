"""Backbones by name: an image network that gives pooled features, and the classifier it was trained with.

To add one, write a `Backbone` and register it: one line in `_BACKBONES`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A network from normalised images to pooled features, with no classifier of its own.

    It stays in evaluation mode whatever its parent does: batch-norm statistics are those of its pretraining and nothing
    in it is random. So an image's features do not depend on the rest of its batch, and N workers equal one.

    Attributes:
        dim: features an image.
        mean: subtracted from each pixel (0 to 255) before the network.
        std: divides it afterwards.
        licence: of the weights, for the card of what is built on them.
    """

    dim: int
    mean: float
    std: float
    licence: str

    @abstractmethod
    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return pooled features.

        Args:
            x_B3HW: images, normalised with `mean` and `std`.

        Returns:
            f_BD: features of the images' dtype.
        """

    @abstractmethod
    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return the pretrained classifier on these features: W_KD and b_K, fresh copies."""

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """Return its parts from the input on, which may be frozen from the first to any."""

    def train(self, mode: bool = True) -> "Backbone":  # noqa: ARG002 - the signature is torch's
        """Stay in evaluation mode; parameters train all the same."""
        return super().train(False)


_BACKBONES: dict[str, Callable[[bool], Backbone]] = {}


def register_backbone(name: str, create: Callable[[bool], Backbone]) -> None:
    """Add a backbone under a name; ``create(pretrained)`` builds it."""
    _BACKBONES[name] = create


def list_backbones() -> list[str]:
    """Return the names that `create_backbone` knows."""
    return sorted(_BACKBONES)


def create_backbone(name: str, *, pretrained: bool = True) -> Backbone:
    """Build a backbone.

    Args:
        name: one of `list_backbones()`.
        pretrained: load its published weights; False when a checkpoint follows.

    Raises:
        ValueError: no backbone of that name.
    """
    if name not in _BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(list_backbones())}")
    backbone = _BACKBONES[name](pretrained)
    backbone.eval()
    return backbone


class TinyBackbone(Backbone):
    """A convolutional network of some thousand fixed random weights and 32 features: for tests, on any machine."""

    dim = 32
    mean, std = 127.0, 128.0
    licence = "none: the weights are random"
    n_classes = 10

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, self.dim, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        if pretrained:
            generator = torch.Generator().manual_seed(0)
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=0.2, generator=generator)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Return the mean of the last layer over the image."""
        x_BDhw: Tensor = self.layers(x_B3HW)
        return x_BDhw.mean(dim=(2, 3))

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return a fixed random classifier of ten classes."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.n_classes, self.dim, generator=generator), torch.randn(
            self.n_classes, generator=generator
        )

    def stages(self) -> list[nn.Module]:
        """Return the layers."""
        return list(self.layers)


register_backbone("tiny-test", TinyBackbone)
