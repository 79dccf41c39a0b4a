"""What stays as pretrained does, and nothing else."""

import torch

from sketchray.encoders import EncoderConfig
from sketchray.encoders.backbones import create_backbone
from sketchray.methods import Method, create_method
from sketchray.methods.freezing import freeze


def test_first_stages_and_depthwise_filters_are_taken_out_of_training() -> None:
    backbone = create_backbone("efficientnet_lite0", pretrained=False)
    freeze(backbone, stages=4, filters=True)
    first = {id(p) for stage in backbone.stages()[:4] for p in stage.parameters()}
    depthwise = {id(p) for name, p in backbone.named_parameters() if "_depthwise_conv" in name}
    assert len(depthwise) == 16
    for name, parameter in backbone.named_parameters():
        assert parameter.requires_grad == (id(parameter) not in first | depthwise), name


def test_without_a_wish_everything_trains() -> None:
    backbone = create_backbone("efficientnet_lite0", pretrained=False)
    freeze(backbone, stages=0, filters=False)
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_a_dense_convolution_is_no_filter() -> None:
    backbone = create_backbone("tiny-test", pretrained=False)
    freeze(backbone, stages=0, filters=True)
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def trainable(name: str, **options: object) -> int:
    torch.manual_seed(0)
    encoder = EncoderConfig(backbone="efficientnet_lite0", dim=None, image_size=32)
    method: Method = create_method(name, classes=["a", "b"], encoder=encoder, **options)
    return sum(p.numel() for p in method.parameters() if p.requires_grad)


def test_methods_freeze_filters_only_when_asked() -> None:
    small_head = {"head": {"hidden": 8, "bottleneck": 8, "outputs": 8}}
    for name, options in (("finetune", {}), ("ama", small_head)):
        assert trainable(name, frozen_filters=True, **options) < trainable(name, **options)
