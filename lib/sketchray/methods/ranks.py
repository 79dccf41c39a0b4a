"""Rows of all ranks, who may have different numbers of them: to every rank, or to the first one alone."""

import torch
import torch.distributed as dist
from torch import Tensor


def share_of(most: int) -> int:
    """Return this rank's part of the first ``most`` of something of which the ranks take turns."""
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    return len(range(rank, most, ranks))


def rows_of_all(rows_N: Tensor) -> Tensor:
    """Return the rows of all ranks, in the order of the ranks."""
    if not dist.is_initialized():
        return rows_N
    padded, counts = _padded(rows_N)
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def rows_at_first(rows_N: Tensor) -> Tensor | None:
    """Return what `rows_of_all` does, on the first rank; the others only send theirs and get None."""
    if not dist.is_initialized():
        return rows_N
    padded, counts = _padded(rows_N)
    parts = [torch.empty_like(padded) for _ in counts] if dist.get_rank() == 0 else None
    dist.gather(padded, parts, dst=0)
    if parts is None:
        return None
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def from_first(values: Tensor) -> None:
    """Overwrite the values with those of the first rank."""
    if dist.is_initialized():
        dist.broadcast(values, src=0)


def _padded(rows_N: Tensor) -> tuple[Tensor, list[int]]:
    """Return this rank's rows with as many as any rank has, and how many each rank really has."""
    counts = [torch.zeros(1, dtype=torch.int64, device=rows_N.device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([len(rows_N)], device=rows_N.device))
    most = max(int(count) for count in counts)
    return torch.cat([rows_N, rows_N.new_zeros(most - len(rows_N), *rows_N.shape[1:])]), [int(n) for n in counts]
