"""A backbone for tests: so small that everything around it can be tried on any machine."""

import torch
from torch import Tensor, nn

from sketchray.encoders.backbones import Backbone, register_packaged_backbone
from sketchray.encoders.cards import BackboneCard

CARD = BackboneCard(
    name="tiny-test", title="two convolutions, for tests", licence="none: the weights are random",
    millions=0.01, dim=32, trained_at=32, stride=8, classes=10, mean=127.0, std=128.0,
)  # fmt: skip


class TinyBackbone(Backbone):
    """A convolutional network of some thousand fixed random weights and 32 features."""

    dim = CARD.dim
    n_classes = CARD.classes

    def __init__(self, card: BackboneCard = CARD, pretrained: bool = True) -> None:
        super().__init__(card)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, self.dim, 3, stride=2, padding=1), nn.ReLU(),
        )  # fmt: skip
        if pretrained:
            generator = torch.Generator().manual_seed(0)
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=0.2, generator=generator)

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the last layer."""
        f_BDhw: Tensor = self.layers(x_B3HW)
        return f_BDhw

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return a fixed random classifier of ten classes."""
        generator = torch.Generator().manual_seed(1)
        return torch.randn(self.n_classes, self.dim, generator=generator), torch.randn(
            self.n_classes, generator=generator
        )

    def stages(self) -> list[nn.Module]:
        """Return the layers."""
        return list(self.layers)


register_packaged_backbone(CARD, TinyBackbone)
