"""Mutual alignment against its definition as loops; no correspondence of clusters; two ranks against one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import distance_alignment

Ranks = Callable[..., list[Any]]


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1).to(dtype)


def softmax(row: list[float]) -> list[float]:
    top = max(row)
    total = sum(math.exp(x - top) for x in row)
    return [math.exp(x - top) / total for x in row]


def cosine(p: list[float], q: list[float]) -> float:
    return sum(a * b for a, b in zip(p, q, strict=True)) / math.sqrt(sum(a * a for a in p) * sum(b * b for b in q))


def slow(features: Tensor, sketch: Tensor, photo: Tensor, t: float) -> float:
    answers = [[softmax([float(f @ c) / t for c in centroids]) for f in features] for centroids in (sketch, photo)]
    n, total = len(features), 0.0
    for i in range(n):
        for j in range(n):
            a, b = (1 - cosine(p[i], p[j]) for p in answers)
            total += (a - b) ** 2
    return total / n


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_it_is_its_definition(rows: int, temperature: float, dtype: torch.dtype) -> None:
    features, sketch, photo = (
        unit(rows, 4, dtype=dtype),
        unit(5, 4, seed=1, dtype=dtype),
        unit(3, 4, seed=2, dtype=dtype),
    )
    value = distance_alignment(features, sketch, photo, temperature=temperature)
    assert value.dtype == dtype
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    expected = slow(features.double(), sketch.double(), photo.double(), temperature)
    assert value.item() == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_clusters_need_no_correspondence() -> None:
    features, centroids = unit(6, 4), unit(5, 4, seed=1)
    shuffled = centroids[torch.tensor([3, 0, 4, 1, 2])]
    assert distance_alignment(features, centroids, shuffled).item() == pytest.approx(0, abs=1e-12)


def test_its_gradient_agrees_with_finite_differences() -> None:
    def loss(x: Tensor) -> Tensor:
        return distance_alignment(x, unit(4, 3, seed=1), unit(4, 3, seed=2), temperature=0.3)

    assert torch.autograd.gradcheck(loss, unit(5, 3).requires_grad_())


def through_a_weight(rows: slice) -> tuple[float, Tensor]:
    weight = unit(4, 4, seed=9).requires_grad_()
    features = F.normalize(unit(6, 4) @ weight, dim=1)
    loss = distance_alignment(features[rows], unit(5, 4, seed=1), unit(5, 4, seed=2), temperature=0.1)
    return loss.item(), torch.autograd.grad(loss, weight)[0]


def on_a_rank() -> tuple[float, Tensor]:
    loss, gradient = through_a_weight(slice(3 * dist.get_rank(), 3 * dist.get_rank() + 3))
    dist.all_reduce(gradient)
    return loss, gradient / 2


def test_two_ranks_equal_one(two_ranks: Ranks) -> None:
    loss, gradient = through_a_weight(slice(0, 6))
    results = two_ranks(on_a_rank)
    assert sum(value for value, _ in results) / 2 == pytest.approx(loss, rel=1e-9)
    for _, theirs in results:
        torch.testing.assert_close(theirs, gradient, rtol=1e-7, atol=1e-12)
