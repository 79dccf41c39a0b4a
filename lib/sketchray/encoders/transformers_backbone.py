"""A backbone that is a network of the transformers library, of any of its published sizes."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from sketchray.config import Config, build_config
from sketchray.encoders.backbones import register_backbone
from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.huggingface import library, read_sizes
from sketchray.encoders.weights import BackboneOfWeights, find_weights

Head = tuple[Tensor, Tensor] | None


class NetworkSizes(Config):
    """Sizes of a network, under the library's names."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Features an image."""


class LibraryBackbone(BackboneOfWeights):
    """A network without its classifier.

    Args:
        card: of the published network.
        sizes: of this one.
        network: the library's, of these sizes.

    Attributes:
        Sizes: its sizes.
        kinds: the library's ``model_type`` of folders that hold it.
        section: of such a folder's configuration that holds the sizes, where it has sections.
    """

    Sizes: ClassVar[type[NetworkSizes]]
    kinds: ClassVar[tuple[str, ...]]
    section: ClassVar[str] = ""

    def __init__(self, card: BackboneCard, sizes: Any, network: nn.Module) -> None:
        super().__init__(card)
        self.architecture = sizes.model_dump(mode="json")
        self.dim = sizes.dim
        self.network: Any = network

    @classmethod
    @abstractmethod
    def random(cls, transformers: Any, sizes: Any) -> nn.Module:
        """Return the network with the library's random weights."""

    @classmethod
    @abstractmethod
    def read(cls, transformers: Any, name: str, folder: Path) -> tuple[nn.Module, Head]:
        """Return the network with a folder's weights, and its classifier (W_KD, b_K) if it is there.

        Raises:
            ValueError: the weights cannot be read, or do not fill the network; `name` is the backbone's, for messages.
        """


def register_library_backbone(cls: type[LibraryBackbone], card: BackboneCard, published: NetworkSizes) -> None:
    """Add a published network of a kind that is here.

    Args:
        cls: its kind.
        card: what the registry says of it.
        published: its sizes, which `architecture` may change in part.
    """
    where = "encoder.architecture."

    def create(*, pretrained: bool, weights: str | None, architecture: dict[str, Any] | None) -> LibraryBackbone:
        transformers = library(card.name)
        stated = build_config(cls.Sizes, published.model_dump() | (architecture or {}), where=where)
        if not pretrained:
            return cls(card, stated, cls.random(transformers, stated))
        folder = find_weights(card.name, weights, published=card.weights)
        found = read_sizes(cls.Sizes, card.name, folder, kinds=cls.kinds, section=cls.section)
        if architecture is not None and found != stated:
            raise ValueError(
                f"backbone {card.name}: {folder} has the sizes {found}, and `architecture` states {stated}"
            )
        network, head = cls.read(transformers, card.name, folder)
        backbone = cls(card, found, network)
        backbone.head = head
        return backbone

    register_backbone(card, create)
