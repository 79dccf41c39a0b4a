"""Similarity guidance and its weights against loops; small batches; two ranks against one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import guidance, similarity_guidance

Ranks = Callable[..., list[Any]]


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1).to(dtype)


def slow_guidance(teacher: Tensor, instances: list[int], neighbours: int) -> list[list[float]]:
    n = len(teacher)
    k = max(1, min(neighbours, n // 2))
    alike = [[math.exp(-float(((teacher[i] - teacher[j]) ** 2).sum())) for j in range(n)] for i in range(n)]
    for i in range(n):
        for j in range(n):
            if instances[i] == instances[j]:
                alike[i][j] = 1.0
    nearest = []
    for i in range(n):
        nearest.append(sorted(range(n), key=lambda j: (j != i, -alike[i][j], j))[:k])
    mutual = [{j for j in nearest[i] if i in nearest[j]} for i in range(n)]
    context = [
        [len(mutual[i] & mutual[j]) / len(mutual[i]) if j in mutual[i] else 0.0 for j in range(n)] for i in range(n)
    ]
    half = max(1, round(k / 2))
    expanded = [[sum(context[m][j] for m in nearest[i][:half]) / half for j in range(n)] for i in range(n)]
    return [[(alike[i][j] + (expanded[i][j] + expanded[j][i]) / 2) / 2 for j in range(n)] for i in range(n)]


def slow(student: Tensor, teacher: Tensor, instances: list[int], neighbours: int) -> float:
    n, total = len(student), 0.0
    weights = slow_guidance(teacher, instances, neighbours)
    for i in range(n):
        distances = [math.sqrt(float(((student[i] - student[j]) ** 2).sum())) for j in range(n)]
        mean = sum(distances) / n
        for j in range(n):
            if i != j:
                d = distances[j] / mean
                total += weights[i][j] * d**2 + (1 - weights[i][j]) * max(0.0, 1 - d) ** 2
    return total / (n * (n - 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "neighbours"), [(2, 10), (3, 10), (8, 10), (8, 3), (26, 10)])
def test_it_is_its_definition(rows: int, neighbours: int, dtype: torch.dtype) -> None:
    student, teacher = unit(rows, 4, dtype=dtype), unit(rows, 4, seed=1, dtype=dtype)
    instances = torch.arange(rows) % max(1, rows // 2)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    weights = guidance(teacher, instances, neighbours=neighbours)
    expected = torch.tensor(slow_guidance(teacher, instances.tolist(), neighbours), dtype=dtype)
    torch.testing.assert_close(weights, expected, rtol=tolerance, atol=tolerance)
    value = similarity_guidance(student, teacher, instances, neighbours=neighbours)
    assert value.dtype == dtype
    assert value.item() == pytest.approx(slow(student, teacher, instances.tolist(), neighbours), rel=tolerance)


def test_guidance_is_symmetric_and_within_0_and_1_and_two_views_of_one_sample_are_alike() -> None:
    teacher = unit(12, 4)
    weights = guidance(teacher, torch.arange(12) % 6, neighbours=4)
    torch.testing.assert_close(weights, weights.T)
    assert weights.min() >= 0
    assert weights.max() <= 1 + 1e-12
    opposite = torch.cat([teacher[:6], -teacher[:6]])  # as far as can be, but views of one sample
    assert guidance(opposite, torch.arange(12) % 6, neighbours=4)[0, 6] >= 0.5


def test_a_batch_of_one_and_equal_views_stay_finite() -> None:
    student = unit(1, 4).requires_grad_()
    value = similarity_guidance(student, unit(1, 4, seed=1), torch.zeros(1, dtype=torch.int64))
    assert value.item() == 0
    assert torch.equal(torch.autograd.grad(value, student)[0], torch.zeros(1, 4, dtype=torch.float64))
    collapsed = unit(1, 4).repeat(4, 1).requires_grad_()
    value = similarity_guidance(collapsed, unit(4, 4, seed=1), torch.arange(4))
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, collapsed)[0]).all()


def test_its_gradient_agrees_with_finite_differences() -> None:
    def loss(student: Tensor) -> Tensor:
        return similarity_guidance(student, unit(6, 3, seed=1), torch.arange(6) % 3, neighbours=3)

    assert torch.autograd.gradcheck(loss, unit(6, 3).requires_grad_())


def through_a_weight(rows: slice) -> tuple[float, Tensor]:
    weight = unit(4, 4, seed=9).requires_grad_()
    student = F.normalize(unit(8, 4) @ weight, dim=1)
    instances = torch.tensor([0, 1, 0, 1, 2, 3, 2, 3])
    loss = similarity_guidance(student[rows], unit(8, 4, seed=1)[rows], instances[rows], neighbours=3)
    return loss.item(), torch.autograd.grad(loss, weight)[0]


def on_a_rank() -> tuple[float, Tensor]:
    loss, gradient = through_a_weight(slice(4 * dist.get_rank(), 4 * dist.get_rank() + 4))
    dist.all_reduce(gradient)
    return loss, gradient / 2


def test_two_ranks_equal_one(two_ranks: Ranks) -> None:
    loss, gradient = through_a_weight(slice(0, 8))
    results = two_ranks(on_a_rank)
    assert sum(value for value, _ in results) / 2 == pytest.approx(loss, rel=1e-9)
    for _, theirs in results:
        torch.testing.assert_close(theirs, gradient, rtol=1e-7, atol=1e-12)
