"""What every method with labels and one student must do: be equal on any number of ranks, go on, bear small batches."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sketchray.methods import create_method, list_methods
from sketchray.methods.fitting import load_state, save_state, train_step

Ranks = Callable[..., list[Any]]

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "finetune": ("finetune", {}),
    "finetune with the papers' optimiser": (
        "finetune",
        {"classifier": "linear", "optimizer": "adam", "schedule": "exponential", "smoothing": 0.1},
    ),
    "bridge": ("bridge", {"contrast": 0.5}),
    "bridge that distils, sketches with norms of their own": ("bridge", {"distil": 0.5, "sketch_norms": True}),
    "clusterretri": ("clusterretri", {"align_warmup": 2}),
    "sbka, teacher at rest": ("sbka", {"phase_one_steps": 9}),
    "sbka, both ways": ("sbka", {"phase_one_steps": 0, "teacher_lr": 1e-3}),
    "sbka, one phase then the other": ("sbka", {"phase_one_steps": 2, "classifier": "cosine", "dim": None}),
    "clusterretri on the features": ("clusterretri", {"classifier": "linear", "dim": None}),
}


def test_they_are_listed_and_need_labels(small: Any) -> None:
    names = {name for name, _ in RUNS.values()} | {"rpkd"}
    assert names <= set(list_methods())
    assert all(small.method(name).needs_labels for name in names)


def steps_on_two(small: Any, name: str, options: dict[str, Any]) -> Any:
    return small.steps(small.method(name, **options), ranks=2)


@pytest.mark.parametrize("run", RUNS)
def test_two_ranks_equal_one_process_with_the_whole_batch(small: Any, two_ranks: Ranks, run: str) -> None:
    name, options = RUNS[run]
    options = {"lr": 1e-3, "head_lr": 1e-3, "warmup": 1, "ema": 0.9, **options}
    alone = small.steps(small.method(name, **options))
    for log, gradients, weights in two_ranks(steps_on_two, small, name, options):
        for mine, theirs in zip(alone.log, log, strict=True):
            assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-12)
        assert gradients.keys() == alone.gradients.keys()
        for key, gradient in alone.gradients.items():
            torch.testing.assert_close(gradients[key], gradient, rtol=1e-5, atol=1e-12, msg=key)
        for key, weight in alone.weights.items():
            torch.testing.assert_close(weights[key], weight, rtol=1e-5, atol=1e-9, msg=key)


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(small: Any, tmp_path: Path, run: str) -> None:
    name, options = RUNS[run]
    unbroken = small.method(name, dtype=torch.float32, ema=0.5, **options)
    optimizers = unbroken.optimizers(4)
    for step in range(2):
        train_step(unbroken, small.batch(step), optimizers, step=step, total=4)
    save_state(tmp_path, unbroken, optimizers, step=2)
    log = [train_step(unbroken, small.batch(s), optimizers, step=s, total=4) for s in (2, 3)]

    torch.manual_seed(99)
    plain = {key: value for key, value in options.items() if key not in ("dim", "sketch_norms")}
    resumed = create_method(
        name, classes=list("abcde"), encoder=unbroken.student.config, ema=0.5, frozen_stages=1, **plain
    )
    fresh = resumed.optimizers(4)
    assert load_state(tmp_path, resumed, fresh) == 2
    assert [train_step(resumed, small.batch(s), fresh, step=s, total=4) for s in (2, 3)] == log
    assert all(torch.equal(t, resumed.state_dict()[key]) for key, t in unbroken.state_dict().items())


@pytest.mark.parametrize("run", RUNS)
def test_single_and_double_precision_agree(small: Any, run: str) -> None:
    name, options = RUNS[run]
    double, single = (small.method(name, dtype=dtype, **options) for dtype in (torch.float64, torch.float32))
    exact, rough = double(small.batch(0)), single(small.batch(0))
    assert {term.dtype for term in exact.values()} == {torch.float64}
    assert {term.dtype for term in rough.values()} == {torch.float32}
    for key, term in exact.items():
        assert rough[key].item() == pytest.approx(term.item(), rel=1e-4), key


@pytest.mark.parametrize("run", RUNS)
def test_steps_on_one_batch_lower_the_loss_even_of_one_sketch_and_one_photo(small: Any, run: str) -> None:
    name, options = RUNS[run]
    for rows in (1, 4):  # step 0 of one row holds one class, so that four are absent
        method = small.method(name, **{**options, "lr": 1e-3, "head_lr": 1e-2, "warmup": 1})
        optimizers = method.optimizers(100)
        losses = [train_step(method, small.batch(0, rows=rows), optimizers, step=s, total=100)["cls"] for s in range(6)]
        assert all(map(math.isfinite, losses))
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("run", RUNS)
def test_every_trainable_parameter_gets_a_gradient_and_frozen_ones_none(small: Any, run: str) -> None:
    name, options = RUNS[run]
    method = small.method(name, **options)
    method(small.batch(0))["loss"].backward()
    for key, parameter in method.named_parameters():
        frozen = key.startswith(("teacher.", "student.backbone.layers.0."))
        assert parameter.requires_grad != frozen, key
        assert (parameter.grad is None) == frozen, key
