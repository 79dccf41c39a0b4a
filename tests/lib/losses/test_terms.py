"""Each loss term against its definition as a slow loop, its gradient against finite differences, and its edges."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sketchray.losses import centre_divergence, relation_divergence, soft_cross_entropy

DTYPES = [torch.float32, torch.float64]


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def softmax(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def slow_soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> float:
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = softmax([x / temperature for x in t]), softmax([x / temperature for x in s])
        total -= sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    return total / len(student)


def slow_relation(student: Tensor, teacher: Tensor, first: int, temperature: float) -> float:
    total = 0.0
    for i, (s, t) in enumerate(zip(student.tolist(), teacher.tolist(), strict=True)):
        others = [j for j in range(len(s)) if j != first + i]
        if others:
            total += divergence(
                softmax([t[j] / temperature for j in others]), softmax([s[j] / temperature for j in others])
            )
    return total / len(student)


def slow_centres(logits: Tensor, similarity: Tensor, present: Tensor, temperature: float) -> float:
    classes = [k for k, here in enumerate(present.tolist()) if here]
    total = 0.0
    for u, s in zip(logits.tolist(), similarity.tolist(), strict=True):
        if classes:
            total += divergence(softmax([s[k] / temperature for k in classes]), softmax([u[k] for k in classes]))
    return total / len(logits)


def close(value: Tensor, expected: float, dtype: torch.dtype) -> None:
    assert value.dtype == dtype
    assert value.shape == ()
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    assert value.item() == pytest.approx(expected, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_soft_cross_entropy_is_its_definition(rows: int, temperature: float, dtype: torch.dtype) -> None:
    student, teacher = random(rows, 7, dtype=dtype), random(rows, 7, seed=1, dtype=dtype)
    value = soft_cross_entropy(student, teacher, temperature=temperature)
    close(value, slow_soft_cross_entropy(student, teacher, temperature), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "columns", "first"), [(1, 1, 0), (1, 4, 3), (4, 4, 0), (2, 6, 4)])
def test_relation_divergence_is_its_definition(rows: int, columns: int, first: int, dtype: torch.dtype) -> None:
    student, teacher = random(rows, columns, dtype=dtype), random(rows, columns, seed=1, dtype=dtype)
    value = relation_divergence(student, teacher, first=first, temperature=0.5)
    close(value, slow_relation(student, teacher, first, 0.5), dtype)


def test_relation_divergence_ignores_the_similarity_to_itself_and_is_zero_for_equal_relations() -> None:
    student, teacher = random(3, 3), random(3, 3, seed=1)
    before = relation_divergence(student, teacher, first=0, temperature=0.1)
    student.fill_diagonal_(1e6)
    assert torch.equal(relation_divergence(student, teacher, first=0, temperature=0.1), before)
    close(relation_divergence(teacher + 3, teacher, first=0, temperature=0.1), 0.0, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("present", [[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
def test_centre_divergence_is_its_definition(rows: int, present: list[int], dtype: torch.dtype) -> None:
    logits, similarity = random(rows, 4, dtype=dtype), random(rows, 4, seed=1, dtype=dtype)
    present_C = torch.tensor(present, dtype=torch.bool)
    value = centre_divergence(logits, similarity, present_C, temperature=0.2)
    close(value, slow_centres(logits, similarity, present_C, 0.2), dtype)


def test_a_class_absent_from_the_batch_gets_no_gradient() -> None:
    logits = random(3, 4).requires_grad_()
    present_C = torch.tensor([True, False, True, True])
    value = centre_divergence(logits, random(3, 4, seed=1), present_C, temperature=0.2)
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient[:, 1].abs().sum() == 0 < gradient[:, 0].abs().sum()


TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "instance": lambda x: soft_cross_entropy(x, random(3, 5, seed=1), temperature=0.7),
    "relation": lambda x: relation_divergence(x, random(3, 5, seed=1), first=1, temperature=0.7),
    "centres": lambda x: centre_divergence(
        x, random(3, 5, seed=1), torch.tensor([1, 0, 1, 1, 0], dtype=torch.bool), temperature=0.7
    ),
}


@pytest.mark.parametrize("name", TERMS)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    assert torch.autograd.gradcheck(TERMS[name], random(3, 5).requires_grad_())


@pytest.mark.parametrize("name", TERMS)
def test_large_logits_stay_finite(name: str) -> None:
    x = (1e4 * random(3, 5, dtype=torch.float32)).requires_grad_()
    value = TERMS[name](x)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, x)[0]).all()
