"""Self-distillation against its definition as loops, its gradient, its edges, and the moving centre."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sketchray.losses import moved_centre, self_distillation

Ranks = Callable[..., list[Any]]
DTYPES = [torch.float32, torch.float64]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def slow(student: Tensor, teacher: Tensor, centre: Tensor) -> float:
    pairs = []
    for g in range(len(teacher)):
        for v in range(len(student)):
            if g == v:
                continue
            total = 0.0
            for b in range(teacher.shape[1]):
                p = softmax([(h - c) / 0.04 for h, c in zip(teacher[g, b].tolist(), centre.tolist(), strict=True)])
                q = softmax([h / 0.1 for h in student[v, b].tolist()])
                total -= sum(x * math.log(y) for x, y in zip(p, q, strict=True))
            pairs.append(total / teacher.shape[1])
    return sum(pairs) / len(pairs)


def loss(student: Tensor, teacher: Tensor, centre: Tensor) -> Tensor:
    return self_distillation(student, teacher, centre, student_temperature=0.1, teacher_temperature=0.04)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("views", "of_teacher"), [(2, 2), (5, 2), (3, 1)])
def test_it_is_its_definition(rows: int, views: int, of_teacher: int, dtype: torch.dtype) -> None:
    student = 0.2 * random(views, rows, 6, dtype=dtype)
    teacher, centre = 0.2 * random(of_teacher, rows, 6, seed=1, dtype=dtype), 0.1 * random(6, seed=2, dtype=dtype)
    value = loss(student, teacher, centre)
    assert value.dtype == dtype
    assert value.item() == pytest.approx(slow(student, teacher, centre), rel=1e-9 if dtype == torch.float64 else 1e-5)


def test_its_gradient_agrees_with_finite_differences() -> None:
    teacher, centre = 0.2 * random(2, 3, 5, seed=1), 0.1 * random(5, seed=2)
    assert torch.autograd.gradcheck(lambda x: loss(x, teacher, centre), (0.2 * random(4, 3, 5)).requires_grad_())


def test_a_view_is_not_compared_with_itself() -> None:
    student, teacher = random(2, 3, 5).requires_grad_(), random(1, 3, 5, seed=1)
    (gradient,) = torch.autograd.grad(loss(student, teacher, torch.zeros(5, dtype=torch.float64)), student)
    assert gradient[0].abs().sum() == 0 < gradient[1].abs().sum()


def test_large_outputs_stay_finite_and_one_view_is_refused() -> None:
    student = (1e4 * random(3, 2, 5, dtype=torch.float32)).requires_grad_()
    value = loss(student, 1e4 * random(2, 2, 5, seed=1, dtype=torch.float32), torch.zeros(5))
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, student)[0]).all()
    with pytest.raises(ValueError, match="at least two"):
        loss(student[:1], student[:1].detach(), torch.zeros(5))


def rows_of_ranks() -> Tensor:
    return random(2, 4, 3, seed=5)


def centre_on_a_rank() -> Tensor:
    part = slice(2 * dist.get_rank(), 2 * dist.get_rank() + 2)
    return moved_centre(torch.ones(3, dtype=torch.float64), rows_of_ranks()[:, part], momentum=0.9)


def test_the_centre_moves_towards_the_mean_over_all_ranks(two_ranks: Ranks) -> None:
    mean = [sum(float(rows_of_ranks()[g, b, k]) for g in range(2) for b in range(4)) / 8 for k in range(3)]
    expected = torch.tensor([0.9 + 0.1 * m for m in mean], dtype=torch.float64)
    torch.testing.assert_close(
        moved_centre(torch.ones(3, dtype=torch.float64), rows_of_ranks(), momentum=0.9), expected
    )
    for theirs in two_ranks(centre_on_a_rank):
        torch.testing.assert_close(theirs, expected)
