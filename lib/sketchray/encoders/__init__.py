"""Image to unit vector: backbones, the encoder on top of one, and the package it is saved as."""

from sketchray.calibration import Calibration, CalibrationError
from sketchray.encoders.backbones import (
    Backbone,
    backbone_card,
    create_backbone,
    list_backbones,
    register_backbone,
    register_packaged_backbone,
)
from sketchray.encoders.cards import BackboneCard
from sketchray.encoders.clip_vit import ClipViT
from sketchray.encoders.convnextv2 import ConvNeXtV2
from sketchray.encoders.cse_resnet50 import cse_resnet50
from sketchray.encoders.dino_vit import DinoViT
from sketchray.encoders.dinov2 import Dinov2
from sketchray.encoders.efficientnet_lite import EfficientNetLite
from sketchray.encoders.encoder import Encoder, EncoderConfig, factorise
from sketchray.encoders.explanation import Explanation, explain
from sketchray.encoders.folding import folded
from sketchray.encoders.loading import encoder_uri, load_encoder
from sketchray.encoders.modality_norm import ModalityNorm, modality_norms
from sketchray.encoders.package import PackageError, from_pretrained, read_package_config, save_pretrained
from sketchray.encoders.resnet import ResNet
from sketchray.encoders.tiny import TinyBackbone

__all__ = [
    "Backbone",
    "BackboneCard",
    "Calibration",
    "CalibrationError",
    "ClipViT",
    "ConvNeXtV2",
    "DinoViT",
    "Dinov2",
    "EfficientNetLite",
    "Encoder",
    "EncoderConfig",
    "Explanation",
    "ModalityNorm",
    "PackageError",
    "ResNet",
    "TinyBackbone",
    "backbone_card",
    "create_backbone",
    "cse_resnet50",
    "encoder_uri",
    "explain",
    "factorise",
    "folded",
    "from_pretrained",
    "list_backbones",
    "load_encoder",
    "modality_norms",
    "read_package_config",
    "register_backbone",
    "register_packaged_backbone",
    "save_pretrained",
]
