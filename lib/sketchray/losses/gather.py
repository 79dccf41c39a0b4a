"""The whole global batch on every rank, with gradients."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BD: Tensor) -> Tensor:
        ctx.rows = own_rows(len(x_BD))
        x_BD = x_BD.contiguous()
        parts = [torch.empty_like(x_BD) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x_BD)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient_GD = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient_GD)
        return gradient_GD[ctx.rows]


def _alone() -> bool:
    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1


def gather_rows(x_BD: Tensor) -> Tensor:
    """Return every rank's rows, in the order of the ranks; the argument itself where there is only one process.

    The backward pass sums what all ranks' losses send to these rows. So where each rank's loss is the mean over its own
    rows and gradients are then averaged over ranks (as DistributedDataParallel does), the result is the gradient of the
    mean over all rows.

    Args:
        x_BD: this rank's rows, as many on every rank.

    Returns:
        x_GD: G = B times the number of ranks.
    """
    if _alone():
        return x_BD
    gathered_GD: Tensor = _GatherRows.apply(x_BD)  # type: ignore[no-untyped-call]
    return gathered_GD


def own_rows(n_rows: int) -> slice:
    """Return where this rank's rows are in what `gather_rows` returns.

    Args:
        n_rows: rows of each rank.
    """
    first = 0 if _alone() else dist.get_rank() * n_rows
    return slice(first, first + n_rows)
