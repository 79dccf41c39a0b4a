"""Image to unit vector: backbones, the encoder on top of one, and the package it is saved as."""

from sketchray.calibration import Calibration, CalibrationError
from sketchray.encoders.backbones import (
    Backbone,
    create_backbone,
    list_backbones,
    register_backbone,
    register_packaged_backbone,
)
from sketchray.encoders.convnextv2 import convnextv2_tiny
from sketchray.encoders.cse_resnet50 import cse_resnet50
from sketchray.encoders.dino_vit import dino_vitb16
from sketchray.encoders.efficientnet_lite import EfficientNetLite
from sketchray.encoders.encoder import Encoder, EncoderConfig, factorise
from sketchray.encoders.explanation import Explanation, explain
from sketchray.encoders.loading import encoder_uri, load_encoder
from sketchray.encoders.package import PackageError, from_pretrained, read_package_config, save_pretrained
from sketchray.encoders.tiny import TinyBackbone

__all__ = [
    "Backbone",
    "Calibration",
    "CalibrationError",
    "EfficientNetLite",
    "Encoder",
    "EncoderConfig",
    "Explanation",
    "PackageError",
    "TinyBackbone",
    "convnextv2_tiny",
    "create_backbone",
    "cse_resnet50",
    "dino_vitb16",
    "encoder_uri",
    "explain",
    "factorise",
    "from_pretrained",
    "list_backbones",
    "load_encoder",
    "read_package_config",
    "register_backbone",
    "register_packaged_backbone",
    "save_pretrained",
]
