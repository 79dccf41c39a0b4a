"""The cluster contrast and its gate against loops; what is left out; two ranks against one."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import cluster_contrast, confident

Ranks = Callable[..., list[Any]]
DTYPES = [torch.float32, torch.float64]
CLUSTERS_LB = torch.tensor([[0, 0, 1, 1, 0, 1], [2, 2, 3, 0, 1, 3], [5, 4, 1, 0, 1, 1]])
KEPT_LB = torch.tensor([[1, 1, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1], [0, 1, 1, 1, 0, 1]], dtype=torch.bool)


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1).to(dtype)


def slow(anchor: Tensor, views: Tensor, clusters: Tensor, kept: Tensor, t: float) -> float:
    """Sum over granularities, kept anchors, and the views of all samples of one's own cluster."""
    levels, rows = clusters.shape
    candidates = [(j, views[v, j]) for v in range(len(views)) for j in range(rows)]
    total = 0.0
    for level in range(levels):
        terms = []
        for i in range(rows):
            if not kept[level, i]:
                continue
            logits = [float(anchor[i] @ q) / t for _, q in candidates]
            log_sum = math.log(sum(math.exp(x) for x in logits))
            together = [all(clusters[c, i] == clusters[c, j] for c in range(level + 1)) for j, _ in candidates]
            terms.append(sum(x - log_sum for x, same in zip(logits, together, strict=True) if same) / sum(together))
        total -= sum(terms) / len(terms) if terms else 0.0
    return total / levels


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("rows", [1, 6])
def test_it_is_its_definition(rows: int, levels: int, views: int, dtype: torch.dtype) -> None:
    anchor, others = unit(rows, 4, dtype=dtype), unit(views, rows, 4, seed=1, dtype=dtype)
    clusters, kept = CLUSTERS_LB[:levels, :rows], KEPT_LB[:levels, :rows]
    value = cluster_contrast(anchor, others, clusters, kept, temperature=0.2)
    assert value.dtype == dtype
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    assert value.item() == pytest.approx(slow(anchor, others, clusters, kept, 0.2), rel=tolerance)


def test_all_samples_in_one_cluster_pull_alike() -> None:
    anchor, others = unit(4, 3), unit(2, 4, 3, seed=1)
    clusters, kept = torch.zeros(2, 4, dtype=torch.int64), torch.ones(2, 4, dtype=torch.bool)
    value = cluster_contrast(anchor, others, clusters, kept, temperature=0.2)
    assert value.item() == pytest.approx(slow(anchor, others, clusters, kept, 0.2), rel=1e-9)
    same = cluster_contrast(anchor, anchor[:1].expand(2, 4, 3), clusters, kept, temperature=0.2)
    assert same.item() == pytest.approx(math.log(8), rel=1e-9)  # nobody stands out of eight equal candidates


def test_where_nobody_is_kept_the_loss_and_its_gradient_are_zero() -> None:
    anchor = unit(6, 4).requires_grad_()
    value = cluster_contrast(anchor, unit(2, 6, 4), CLUSTERS_LB, torch.zeros_like(KEPT_LB), temperature=0.2)
    assert value.item() == 0
    assert torch.equal(torch.autograd.grad(value, anchor)[0], torch.zeros_like(anchor))


def test_its_gradient_agrees_with_finite_differences() -> None:
    def loss(anchor: Tensor, views: Tensor) -> Tensor:
        return cluster_contrast(anchor, views, CLUSTERS_LB, KEPT_LB, temperature=0.2)

    assert torch.autograd.gradcheck(loss, (unit(6, 3).requires_grad_(), unit(2, 6, 3, seed=1).requires_grad_()))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gate_is_its_definition(dtype: torch.dtype) -> None:
    teacher, centroids = unit(6, 4, dtype=dtype), unit(4, 4, seed=1, dtype=dtype)
    clusters = torch.tensor([0, 1, 2, 3, 3, 1])
    expected = []
    for b, own in enumerate(clusters.tolist()):
        logits = [math.exp(float(teacher[b] @ c) / 0.2) for c in centroids]
        expected.append(logits[own] / sum(logits) > 0.2)
    assert True in expected
    assert False in expected
    assert confident(teacher, centroids, clusters, temperature=0.2, least=0.2).tolist() == expected


def through_a_weight(rows: slice) -> tuple[float, Tensor]:
    """Return the loss of these rows and the gradient of a weight that makes all features."""
    weight = unit(4, 4, seed=9).requires_grad_()
    anchor, views = F.normalize(unit(6, 4) @ weight, dim=1), F.normalize(unit(2, 6, 4, seed=1) @ weight, dim=2)
    loss = cluster_contrast(anchor[rows], views[:, rows], CLUSTERS_LB[:, rows], KEPT_LB[:, rows], temperature=0.2)
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
