"""Distribution alignment against its definition as a slow loop, its gradient, and its noise by sample."""

import math

import pytest
import torch
from torch import Tensor

from sketchray.data.order import sample_rng
from sketchray.losses import gaussian_divergence, sample_noise


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_divergence(features: Tensor, noise: Tensor) -> float:
    total = 0.0
    for f, eps in zip(features.tolist(), noise.tolist(), strict=True):
        all_f, all_eps = sum(math.exp(x) for x in f), sum(math.exp(x) for x in eps)
        for x, e in zip(f, eps, strict=True):
            p, q = math.exp(e) / all_eps, math.exp(x) / all_f
            total += p * math.log(p / q)
    return total / len(features)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("rows", [1, 4])
def test_it_is_its_definition(rows: int, dtype: torch.dtype, tolerance: float) -> None:
    features, noise = random(rows, 6), random(rows, 6, seed=1)
    value = gaussian_divergence(features.to(dtype), noise.to(dtype))
    assert value.dtype == dtype
    assert value.shape == ()
    assert value.item() == pytest.approx(slow_divergence(features, noise), rel=tolerance)


def test_it_is_zero_exactly_where_the_embedding_is_the_noise_up_to_a_shift() -> None:
    noise = random(3, 6)
    assert gaussian_divergence(noise + 2, noise).item() == pytest.approx(0, abs=1e-12)
    assert gaussian_divergence(2 * noise, noise).item() > 0.01


def test_its_gradient_agrees_with_finite_differences_and_large_values_stay_finite() -> None:
    noise = random(3, 6, seed=1)
    assert torch.autograd.gradcheck(lambda f: gaussian_divergence(f, noise), random(3, 6).requires_grad_())
    features = (1e4 * random(3, 6)).float().requires_grad_()
    value = gaussian_divergence(features, noise.float())
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, features)[0]).all()


def test_noise_belongs_to_the_sample_and_the_step_not_to_its_place() -> None:
    like = torch.zeros(3, 5)
    noise = sample_noise(like, ["a", "b", "c"], seed=1, step=2)
    assert noise.dtype == like.dtype
    assert torch.equal(sample_noise(like[:2], ["c", "a"], seed=1, step=2), noise[[2, 0]])
    for other in ({"seed": 2, "step": 2}, {"seed": 1, "step": 3}):
        assert not torch.isclose(sample_noise(like, ["a", "b", "c"], **other), noise).any()


def test_noise_is_standard_normal_and_not_what_augmentation_drew() -> None:
    noise = sample_noise(torch.zeros(50, 400, dtype=torch.float64), [str(i) for i in range(50)], seed=0, step=0)
    assert noise.mean().item() == pytest.approx(0, abs=0.03)
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    drawn = torch.from_numpy(sample_rng(0, 0, "7").standard_normal(400))
    assert abs(torch.corrcoef(torch.stack([drawn, noise[7]]))[0, 1].item()) < 0.2
