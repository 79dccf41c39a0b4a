"""Rows gathered over ranks: values in rank order, gradients of the global mean."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import gather_rows, own_rows, relation_divergence

Ranks = Callable[..., list[Any]]


def global_rows() -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def relation_loss(x_BD: Tensor, weight_DE: Tensor) -> Tensor:
    """A loss in which every row's term depends on all rows, through a parameter."""
    embedding_BE = F.normalize(x_BD @ weight_DE, dim=1)
    everything_GE, teacher_GD = gather_rows(embedding_BE), gather_rows(F.normalize(x_BD, dim=1))
    return relation_divergence(
        embedding_BE @ everything_GE.T,
        F.normalize(x_BD, dim=1) @ teacher_GD.T,
        first=own_rows(len(x_BD)).start,
        temperature=0.3,
    )


def weight() -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()


def on_a_rank() -> tuple[Tensor, int, float, Tensor]:
    """Return (all rows, first own row, this rank's loss, gradient averaged over ranks as DDP does)."""
    rank = dist.get_rank()
    x_BD, weight_DE = global_rows()[3 * rank : 3 * rank + 3], weight()
    loss = relation_loss(x_BD, weight_DE)
    (gradient,) = torch.autograd.grad(loss, weight_DE)
    dist.all_reduce(gradient)
    return gather_rows(x_BD), own_rows(3).start, loss.item(), gradient / dist.get_world_size()


def test_alone_it_is_the_identity() -> None:
    x_BD = global_rows()
    assert gather_rows(x_BD) is x_BD
    assert own_rows(6) == slice(0, 6)


def test_two_ranks_give_the_values_and_gradients_of_one(two_ranks: Ranks) -> None:
    weight_DE = weight()
    loss = relation_loss(global_rows(), weight_DE)
    (expected,) = torch.autograd.grad(loss, weight_DE)
    results = two_ranks(on_a_rank)
    for rank, (rows, first, _, gradient) in enumerate(results):
        assert torch.equal(rows, global_rows())
        assert first == 3 * rank
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)
    assert sum(result[2] for result in results) / 2 == pytest.approx(loss.item(), rel=1e-12)
