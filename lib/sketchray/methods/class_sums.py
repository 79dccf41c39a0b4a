"""Sums over the rows of each class, on all ranks together."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def class_sums(rows: Iterable[tuple[Tensor, Tensor]], zeros_CX: Tensor) -> tuple[Tensor, Tensor]:
    """Sum rows by their class.

    Args:
        rows: this rank's share, as (values_BX, labels_B); it may be empty.
        zeros_CX: zeros of the sums' shape, dtype and device; they are written to.

    Returns:
        sums_CX: over all ranks.
        count_C: rows of each class, of the same dtype.
    """
    count_C = zeros_CX.new_zeros(len(zeros_CX))
    for values_BX, labels_B in rows:
        zeros_CX.index_add_(0, labels_B, values_BX)
        count_C.index_add_(0, labels_B, torch.ones_like(labels_B, dtype=count_C.dtype))
    if dist.is_available() and dist.is_initialized():
        for total in (zeros_CX, count_C):
            dist.all_reduce(total)
    return zeros_CX, count_C
