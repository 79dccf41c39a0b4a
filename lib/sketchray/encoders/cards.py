"""What is known of a backbone before it is built: the registry holds one card for each."""

from sketchray.config import Config

Channels = float | tuple[float, float, float]
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of pixels from 0 to 255


class BackboneCard(Config):
    """A backbone with its published weights.

    Attributes:
        name: in the registry.
        title: the network and where it was published.
        weights: what brings the published ones: ``pip PACKAGE``, ``hub OWNER/MODEL``, or nothing.
        extra: the package's optional dependencies that it needs, or nothing.
        licence: of those weights, as their publisher states it.
        millions: parameters without the classifier.
        dim: features an image.
        trained_at: side of the images of its pretraining, pixels.
        stride: pixels between two places of its map. What a side has over a multiple of it may be cut off.
        classes: that its classifier knows; 0 for none, and then an encoder keeps the features (``dim: null``).
        mean_pooled: the features are by their nature the mean of features at places, as in a convolutional network.
        mean: subtracted from each pixel (0 to 255) before the network; one number, or one a channel.
        std: divides it afterwards.
    """

    name: str
    title: str
    weights: str = ""
    extra: str = ""
    licence: str
    millions: float
    dim: int
    trained_at: int
    stride: int
    classes: int
    mean_pooled: bool = True
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
