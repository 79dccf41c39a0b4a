"""The contrast across modalities against loops, its gradient, its edges, and two ranks against one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import modality_contrast

Ranks = Callable[..., list[Any]]
SKETCHES, PHOTOS = torch.tensor([0, 1, 2, 0]), torch.tensor([2, 2, 0, 5, 0, 2])  # 1 and 5 are in one modality alone


def unit(rows: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def slow(anchors: Tensor, candidates: Tensor, own: list[int], other: list[int], temperature: float) -> float:
    losses = []
    for anchor, label in zip(anchors, own, strict=True):
        scores = [float(anchor @ candidate) / temperature for candidate in candidates]
        total = math.log(sum(map(math.exp, scores)))
        same = [score - total for score, theirs in zip(scores, other, strict=True) if theirs == label]
        if same:
            losses.append(-sum(same) / len(same))
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_it_is_its_definition(temperature: float) -> None:
    sketch, photo, s, p = unit(4, 0), unit(6, 1), SKETCHES.tolist(), PHOTOS.tolist()
    expected = slow(sketch, photo, s, p, temperature) + slow(photo, sketch, p, s, temperature)
    value = modality_contrast(sketch, photo, SKETCHES, PHOTOS, temperature=temperature)
    assert value.item() == pytest.approx(expected / 2, rel=1e-9)


def test_its_gradient_is_right() -> None:
    inputs = (unit(4, 0).requires_grad_(), unit(6, 1).requires_grad_())
    assert torch.autograd.gradcheck(
        lambda sketch, photo: modality_contrast(sketch, photo, SKETCHES, PHOTOS, temperature=0.5), inputs
    )


def test_it_is_zero_where_no_class_is_in_both_modalities() -> None:
    sketch, photo = unit(1, 0).requires_grad_(), unit(1, 1)
    value = modality_contrast(sketch, photo, torch.tensor([0]), torch.tensor([1]), temperature=0.1)
    (gradient,) = torch.autograd.grad(value, sketch)
    assert value.item() == 0
    assert not gradient.any()


def through_a_weight(sketches: slice, photos: slice) -> tuple[float, Tensor]:
    weight = torch.eye(3, dtype=torch.float64).mul(2).requires_grad_()
    sketch, photo = (F.normalize(unit(n, seed) @ weight, dim=1) for n, seed in ((4, 0), (6, 1)))
    value = modality_contrast(sketch[sketches], photo[photos], SKETCHES[sketches], PHOTOS[photos], temperature=0.3)
    (gradient,) = torch.autograd.grad(value, weight)
    return value.item(), gradient


def on_a_rank() -> tuple[float, Tensor]:
    """Return this rank's loss, and the gradient averaged over ranks as DistributedDataParallel does."""
    rank = dist.get_rank()
    value, gradient = through_a_weight(slice(2 * rank, 2 * rank + 2), slice(3 * rank, 3 * rank + 3))
    dist.all_reduce(gradient)
    return value, gradient / 2


def test_two_ranks_equal_one(two_ranks: Ranks) -> None:
    value, gradient = through_a_weight(slice(0, 4), slice(0, 6))
    results = two_ranks(on_a_rank)
    assert sum(theirs for theirs, _ in results) / 2 == pytest.approx(value, rel=1e-9)
    for _, theirs in results:
        torch.testing.assert_close(theirs, gradient, rtol=1e-7, atol=1e-12)
