"""Batch norms that keep statistics of their own for sketches.

A network pretrained on photos normalises each layer by what photos look like there. A drawing, white paper with thin
lines, comes out of that far from zero mean and unit variance, and the more so the deeper the layer. Norms whose
statistics are partly those of sketches (AdaBN: Li et al., ICLR workshop 2017, arXiv 1603.04779; scales and shifts of
its own for each domain: Chang et al., CVPR 2019, arXiv 1906.03950) bring drawings near photos without a label and
without a step of training.

Shapes: B images, C channels, H x W places.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class _Rows:
    """Which rows are photos, and whether all are the one or the other (None: not looked at, or both)."""

    photo_B: Tensor
    uniform: bool | None


_ROWS: ContextVar[_Rows | None] = ContextVar("rows", default=None)


@contextmanager
def modalities(photo_B: Tensor) -> Iterator[None]:
    """Tell every layer of its own for each modality, in this thread, what the rows of the batch are.

    Args:
        photo_B: True for a photo, False for a sketch.
    """
    uniform = None
    if photo_B.device.type == "cpu" and len(photo_B) and bool((photo_B == photo_B[0]).all()):
        uniform = bool(photo_B[0])  # elsewhere a look would wait for the device
    token = _ROWS.set(_Rows(photo_B, uniform))
    try:
        yield
    finally:
        _ROWS.reset(token)


class ModalityNorm(nn.Module):
    """A batch norm for photos and one for sketches, both in evaluation mode; outside `modalities` that of photos.

    Args:
        norm: the pretrained one; it becomes that of photos, and that of sketches starts as its copy.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.photo = norm
        self.sketch = copy.deepcopy(norm)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return each row normalised by its modality's statistics."""
        rows = _ROWS.get()
        if rows is None or rows.uniform is not None:
            return _by_one(self, rows, x_BCHW)
        scales, shifts = zip(*(_affine(norm) for norm in (self.sketch, self.photo)), strict=True)
        place_B = rows.photo_B.long()
        scale_BC11, shift_BC11 = (torch.stack(two)[place_B][:, :, None, None] for two in (scales, shifts))
        # Under autocast the input is of fewer bits than the statistics, and so is what a batch norm returns.
        own_BCHW: Tensor = x_BCHW * scale_BC11 + shift_BC11
        return own_BCHW.to(x_BCHW.dtype)


class ModalityConv(nn.Module):
    """A convolution for photos and one for sketches: what is left of one with a `ModalityNorm` behind it, folded."""

    def __init__(self, photo: nn.Conv2d, sketch: nn.Conv2d) -> None:
        super().__init__()
        self.photo, self.sketch = photo, sketch

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return each row through its modality's convolution."""
        rows = _ROWS.get()
        if rows is None or rows.uniform is not None:
            return _by_one(self, rows, x_BCHW)
        photos_PCHW, sketches_SCHW = self.photo(x_BCHW[rows.photo_B]), self.sketch(x_BCHW[~rows.photo_B])
        mixed_BCHW: Tensor = photos_PCHW.new_empty((len(x_BCHW), *photos_PCHW.shape[1:]))
        mixed_BCHW[rows.photo_B], mixed_BCHW[~rows.photo_B] = photos_PCHW, sketches_SCHW
        return mixed_BCHW


def give_sketch_norms(network: nn.Module) -> None:
    """Replace every batch norm of a network by a `ModalityNorm` that starts as it.

    Raises:
        ValueError: it has none.
    """
    found = 0
    for parent in list(network.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.BatchNorm2d):
                parent._modules[name] = ModalityNorm(part)
                found += 1
    if not found:
        raise ValueError("encoder.sketch_norms: this backbone has no batch norms that sketches could have of their own")


def modality_norms(network: nn.Module) -> list[ModalityNorm]:
    """Return the norms that `give_sketch_norms` put into a network."""
    return [part for part in network.modules() if isinstance(part, ModalityNorm)]


def _by_one(layer: "ModalityNorm | ModalityConv", rows: _Rows | None, x_BCHW: Tensor) -> Tensor:
    """Pass rows of one modality through its part of a layer; rows of which nothing was told are photos."""
    part = layer.photo if rows is None or rows.uniform else layer.sketch
    y_BCHW: Tensor = part(x_BCHW)
    return y_BCHW


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return a batch norm as a factor and a summand for each channel."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale_C = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale_C, norm.bias - norm.running_mean * scale_C
