"""Which parts of a student's backbone stay as pretrained."""

from torch import nn

from sketchray.encoders.backbones import Backbone


def freeze(backbone: Backbone, *, stages: int, filters: bool) -> None:
    """Take parts of a network out of training.

    Args:
        backbone: whose parameters all train so far.
        stages: how many of its `Backbone.stages`, from the input on.
        filters: the depthwise filters of every stage: convolutions of each channel by itself.
    """
    for stage in backbone.stages()[:stages]:
        stage.requires_grad_(False)
    for layer in backbone.modules() if filters else ():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            layer.requires_grad_(False)
