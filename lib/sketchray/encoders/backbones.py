"""Backbones by name: an image network that gives pooled features, and the classifier it was trained with.

One more size of a network that is here is one line in its file; another network is a `Backbone` in a file of its own,
with such a line (CONTRIBUTING.md has the list).

Shapes: B images, D features, h x w places of the last layer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn

from sketchray.encoders.cards import BackboneCard, Channels


class Backbone(nn.Module, ABC):
    """A network from normalised images to pooled features, with no classifier of its own.

    It stays in evaluation mode whatever its parent does: batch-norm statistics are those of its pretraining and nothing
    in it is random. So an image's features do not depend on the rest of its batch, and N workers equal one.

    Args:
        card: what the registry says of it.

    Attributes:
        card: the same.
        dim: features an image; the card's, unless the weights are of another size.
        conditional: it looks at an image differently when told that it is a photo.
        architecture: what builds the same network without its weights at hand, as JSON has it; None where the name says
            it all.
    """

    dim: int
    conditional: bool = False
    architecture: dict[str, Any] | None = None

    def __init__(self, card: BackboneCard) -> None:
        super().__init__()
        self.card = card

    @property
    def mean(self) -> Channels:
        """What `normalise` subtracts."""
        return self.card.mean

    @property
    def std(self) -> Channels:
        """What `normalise` divides by."""
        return self.card.std

    @property
    def mean_pooled(self) -> bool:
        """Whether its map has the features' parts by nature."""
        return self.card.mean_pooled

    @property
    def licence(self) -> str:
        """The licence of its weights, for the card of what is built on them."""
        return self.card.licence

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """Return pixels (0 to 255, of a float dtype) as `forward` wants them."""
        mean_C11, std_C11 = (images_B3HW.new_tensor(value).view(-1, 1, 1) for value in (self.mean, self.std))
        return (images_B3HW - mean_C11) / std_C11

    @abstractmethod
    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:
        """Return features at places of the image, whose mean over the places is what `forward` returns.

        Where the network is not `mean_pooled`, the mean is right all the same, but which place has which part of it is
        an assumption that the backbone states.

        Args:
            x_B3HW: images, as `normalise` returns them.
            photo_B: True for a photo, False for a sketch. Only a `conditional` backbone looks at it; None tells it
                nothing, which is the pretrained network's state and a sketch's.

        Returns:
            f_BDhw: of the images' dtype; the places lie in a regular grid over the image.
        """

    def forward(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:
        """Return pooled features f_BD of the images' dtype; arguments as `feature_map`."""
        return self.feature_map(x_B3HW, photo_B).mean(dim=(2, 3))

    @abstractmethod
    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return the pretrained classifier on these features: W_KD and b_K, fresh copies.

        Raises:
            ValueError: it has none, or was built without its weights.
        """

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """Return its parts from the input on, which may be frozen from the first to any."""

    def train(self, mode: bool = True) -> "Backbone":  # noqa: ARG002 - the signature is torch's
        """Stay in evaluation mode; parameters train all the same."""
        return super().train(False)


class Create(Protocol):
    """Builds a backbone; what the arguments mean is said at `create_backbone`."""

    def __call__(self, *, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> Backbone:
        """Build it."""


_BACKBONES: dict[str, tuple[BackboneCard, Create]] = {}


def register_backbone(card: BackboneCard, create: Create) -> None:
    """Add a backbone under its card's name."""
    _BACKBONES[card.name] = card, create


def register_packaged_backbone(card: BackboneCard, create: Callable[[BackboneCard, bool], Backbone]) -> None:
    """Add a backbone that brings its own weights; ``create(card, pretrained)`` builds it."""

    def build(*, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> Backbone:
        if weights is not None or architecture is not None:
            raise ValueError(f"backbone {card.name} brings its own weights: leave `weights` and `architecture` out")
        return create(card, pretrained)

    register_backbone(card, build)


def list_backbones() -> list[str]:
    """Return the names that `create_backbone` knows."""
    return sorted(_BACKBONES)


def create_backbone(
    name: str, *, pretrained: bool = True, weights: str | None = None, architecture: dict[str, Any] | None = None
) -> Backbone:
    """Build a backbone.

    Args:
        name: one of `list_backbones()`.
        pretrained: load its published weights; False when a checkpoint follows.
        weights: where they are, for a backbone that does not bring them: a local file or folder, or a hub's name.
        architecture: sizes that differ from the published network's; with weights they must be those of the weights.

    Raises:
        ValueError: no backbone of that name; weights missing, not asked for, or of another network.
    """
    backbone = _known(name)[1](pretrained=pretrained, weights=weights, architecture=architecture)
    backbone.eval()
    return backbone


def backbone_card(name: str) -> BackboneCard:
    """Return what is known of a backbone.

    Raises:
        ValueError: no backbone of that name.
    """
    return _known(name)[0]


def _known(name: str) -> tuple[BackboneCard, Create]:
    if name not in _BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; known: {', '.join(list_backbones())}")
    return _BACKBONES[name]
