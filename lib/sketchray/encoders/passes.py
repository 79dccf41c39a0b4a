"""How a network takes a batch: in what precision, and how much of it at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Network = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Passes:
    """Passes images through a network, plainly unless told otherwise.

    Where the images are taken in parts, none of them keeps its activations: the backward pass computes them again, part
    by part (Chen et al., arXiv 1604.06174). So memory is that of one part while a loss sees the embeddings of all:
    what GradCache (Gao et al., arXiv 2101.06983) does by hand, at the same cost, a second forward pass.

    Attributes:
        autocast: dtype of what autocast finds worth it within the network; None for the weights' own.
        at_once: most images in a part; None for all in one, without a second pass.
    """

    autocast: torch.dtype | None = None
    at_once: int | None = None

    def __call__(self, network: Network, images_B3HW: Tensor, photo_B: Tensor, *, dtype: torch.dtype) -> Tensor:
        """Return the network's features of the images, in ``dtype``."""

        def part(x_B3HW: Tensor, photo_B: Tensor) -> Tensor:
            with self._precision(images_B3HW.device.type):
                return network(x_B3HW, photo_B).to(dtype)

        if self.at_once is None or len(images_B3HW) <= self.at_once:
            return part(images_B3HW, photo_B)
        parts = zip(*(torch.split(rows, self.at_once) for rows in (images_B3HW, photo_B)), strict=True)
        # Nothing in an encoder is random, so there is no generator's state to bring back for the second pass.
        features = [checkpoint(part, x, p, use_reentrant=False, preserve_rng_state=False) for x, p in parts]
        return torch.cat(features)

    def _precision(self, device_type: str) -> AbstractContextManager[object]:
        # Not an autocast that is switched off: that would end one of the caller's.
        return nullcontext() if self.autocast is None else torch.autocast(device_type, dtype=self.autocast)
