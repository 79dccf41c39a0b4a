"""The sketches' own batch-norm statistics, measured before training. Ours in the methods here, in none of the papers.

A network's norms are moved from the first layer to the last: each layer's statistics are of sketches that already pass
the moved ones before it. They are moved a part of the way only. All the way, the network would lose what it knows of
its own features (``benchmarks/quality.md``).

Tensor legend: B sketches, C channels, H x W places.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from pydantic import Field
from torch import Tensor, nn

from sketchray.config import Config
from sketchray.encoders import Encoder, ModalityNorm, modality_norms
from sketchray.methods.base import CleanSamples, first_images
from sketchray.methods.ranks import share_of


class SketchNormsConfig(Config):
    """How an encoder with ``encoder.sketch_norms`` gets the statistics of sketches.

    Attributes:
        share: how far from the photos' statistics to the sketches': 0 leaves them, 1 forgets the photos'.
        samples: sketches to look at, in one batch (on every worker its part): 256 of 160 px take 1.5 GB for a moment.
    """

    share: float = Field(default=0.3, ge=0, le=1)
    samples: int = Field(default=256, ge=1)


@torch.no_grad()
def adapt_sketch_norms(encoders: Iterable[Encoder], samples: CleanSamples, config: SketchNormsConfig) -> None:
    """Move the sketches' norms of fresh encoders towards what the training sketches are like.

    An encoder without such norms, or one that trained with them, is left as it is. All ranks call, and all get the
    same.

    Args:
        encoders: their norms for photos are those of the pretraining.
        samples: the training samples.
        config: how far, and by how many sketches.

    Raises:
        ValueError: a rank has no sketches.
    """
    fresh = [encoder for encoder in encoders if _is_fresh(encoder)]
    if not fresh:
        return
    parts = list(first_images(samples, "sketch", most=share_of(config.samples)))
    if not parts:
        raise ValueError("there is not one sketch to measure the sketches' batch norms by")
    images_B3HW = torch.cat(parts)
    for encoder in fresh:
        device = next(encoder.parameters()).device
        with _moving(encoder, config.share):
            encoder.features(images_B3HW.to(device), torch.zeros(len(images_B3HW), dtype=torch.bool, device=device))


def _is_fresh(encoder: Encoder) -> bool:
    norms = modality_norms(encoder.backbone)
    return bool(norms) and all(
        torch.equal(mine, theirs)
        for norm in norms
        for mine, theirs in zip(norm.sketch.state_dict().values(), norm.photo.state_dict().values(), strict=True)
    )


@contextmanager
def _moving(encoder: Encoder, share: float) -> Iterator[None]:
    """While it lasts, a sketch norm takes its share of the statistics of whatever passes it, before it normalises."""

    def move(norm: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(norm, ModalityNorm)
        for own_C, measured_C in zip(_statistics(norm.sketch), _moments(args[0]), strict=True):
            own_C.lerp_(measured_C.to(own_C.dtype), share)

    hooks = [norm.register_forward_pre_hook(move) for norm in modality_norms(encoder.backbone)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _moments(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and variance over the images and places of all ranks, float64."""
    count = x_BCHW.new_full((x_BCHW.shape[1],), x_BCHW[:, 0].numel(), dtype=torch.float64)
    sums = [x_BCHW.sum((0, 2, 3), dtype=torch.float64), x_BCHW.square().sum((0, 2, 3), dtype=torch.float64)]
    totals_3C = torch.stack([count, *sums])
    if dist.is_initialized():
        dist.all_reduce(totals_3C)
    count, sum_C, squares_C = totals_3C
    mean_C = sum_C / count
    return mean_C, (squares_C / count - mean_C.square()).clamp(min=0)
