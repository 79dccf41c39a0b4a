"""How a step is computed: in parts, in reduced precision, clipped, in another layout, repeatably."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from sketchray.encoders import TinyBackbone
from sketchray.methods import RPKD, Method
from sketchray.methods.compute import REDUCED, ComputeConfig, make_deterministic
from sketchray.methods.fitting import load_state, save_state, train_step

METHODS: dict[str, dict[str, Any]] = {
    "finetune": {},
    "rpkd": {"ema": 0.5},
    "clusterretri": {},
    "sbka": {"phase_one_steps": 1},
}
CPU = torch.device("cpu")
HALVES = ["bf16", "fp16"]


def norm(gradients: Iterator[Tensor]) -> float:
    return math.sqrt(sum(float(value) ** 2 for gradient in gradients for value in gradient.flatten()))


@pytest.mark.parametrize("name", METHODS)
def test_micro_batches_compute_what_the_whole_batch_does(small: Any, name: str) -> None:
    whole = small.steps(small.method(name, **METHODS[name]))
    for most in (1, 3):
        parts = small.steps(small.method(name, **METHODS[name]), compute=ComputeConfig(micro_batch=most))
        for mine, theirs in zip(whole.log, parts.log, strict=True):
            assert theirs == pytest.approx(mine, rel=1e-9)
        for kept, values in (("gradients", whole.gradients), ("weights", whole.weights)):
            for key, value in values.items():
                torch.testing.assert_close(getattr(parts, kept)[key], value, rtol=1e-7, atol=1e-12, msg=key)


def kept_for_backward(method: Method, batch: Any, compute: ComputeConfig) -> int:
    """Return the bytes that a forward pass leaves behind, without the weights."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in method.state_dict().values()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor), compute.within(method):
        loss = method(batch)["loss"]
    assert loss.requires_grad
    return sum(kept.values())


def test_micro_batches_keep_no_activations(small: Any) -> None:
    method, batch = small.method("rpkd"), small.batch(0)
    parts, whole = (kept_for_backward(method, batch, ComputeConfig(micro_batch=most)) for most in (1, None))
    assert parts < whole / 4


@pytest.mark.parametrize("precision", HALVES)
def test_reduced_precision_is_that_of_the_networks_passes_in_a_step_and_of_nothing_else(
    small: Any, precision: str
) -> None:
    method, seen = small.method("rpkd", dtype=torch.float32), set()
    for network in (method.student, method.teacher.network):
        network.backbone.layers[0].register_forward_hook(lambda _module, _inputs, result: seen.add(result.dtype))
    reduced = small.steps(method, compute=ComputeConfig.model_validate({"precision": precision, "micro_batch": 3}))
    assert seen == {REDUCED[precision]}
    seen.clear()
    method.student(small.batch(0).photos, torch.ones(4, dtype=torch.bool))
    assert seen == {torch.float32}
    assert {p.dtype for p in method.parameters()} | {g.dtype for g in reduced.gradients.values()} == {torch.float32}
    single = small.steps(small.method("rpkd", dtype=torch.float32))
    for mine, theirs in zip(reduced.log, single.log, strict=True):
        assert all(mine[name] == pytest.approx(value, rel=0.02, abs=2e-3) for name, value in theirs.items())
        assert mine["loss"] != theirs["loss"]
    assert ("loss_scale" in reduced.log[0]) == (precision == "fp16")


def test_a_step_that_overflows_updates_nothing_and_the_next_ones_find_the_scale(small: Any) -> None:
    compute = ComputeConfig(precision="fp16", clip_norm=1.0)
    method, scaler = small.method("finetune", dtype=torch.float32), compute.scaler(CPU)
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**60})
    optimizers = method.optimizers(99)
    before = {name: p.clone() for name, p in method.named_parameters()}
    values = train_step(method, small.batch(0), optimizers, step=0, total=99, compute=compute, scaler=scaler)
    assert (values["grad_norm"], values["loss_scale"]) == (0, 2.0**59)
    assert all(torch.equal(p, before[name]) for name, p in method.named_parameters())
    for step in range(1, 99):
        values = train_step(method, small.batch(0), optimizers, step=step, total=99, compute=compute, scaler=scaler)
        if values["grad_norm"]:
            break
    assert 1 < values["loss_scale"] < 2.0**59
    assert not all(torch.equal(p, before[name]) for name, p in method.named_parameters())


def test_the_scale_is_state(small: Any, tmp_path: Path) -> None:
    compute = ComputeConfig(precision="fp16")
    method, scaler, fresh = small.method("finetune", dtype=torch.float32), compute.scaler(CPU), compute.scaler(CPU)
    scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**8, "_growth_tracker": 7})
    optimizers = method.optimizers(3)
    train_step(method, small.batch(0), optimizers, step=0, total=3, compute=compute, scaler=scaler)
    save_state(tmp_path, method, optimizers, step=1, scaler=scaler)
    assert load_state(tmp_path, method, optimizers, scaler=fresh) == 1
    assert fresh.state_dict() == scaler.state_dict()
    assert fresh.state_dict()["_growth_tracker"] == 8
    save_state(tmp_path, method, optimizers, step=1)
    with pytest.raises(ValueError, match="no training state that fits this method"):
        load_state(tmp_path, method, optimizers, scaler=fresh)
    assert load_state(tmp_path, method, optimizers, scaler=ComputeConfig().scaler(CPU)) == 1


@pytest.mark.parametrize("phase_one_steps", [0, 1])
def test_one_norm_over_all_that_steps_is_clipped_and_logged(small: Any, phase_one_steps: int) -> None:
    method = small.method("sbka", phase_one_steps=phase_one_steps)
    method(small.batch(0))["loss"].backward()
    steps = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    if phase_one_steps:
        steps = {name: gradient for name, gradient in steps.items() if not name.startswith("teacher_head.")}
    expected = norm(iter(steps.values()))
    for most in (expected / 3, expected * 3):
        done = small.steps(
            small.method("sbka", phase_one_steps=phase_one_steps), last=1, compute=ComputeConfig(clip_norm=most)
        )
        assert done.log[0]["grad_norm"] == pytest.approx(expected, rel=1e-9)
        assert norm(done.gradients[name] for name in steps) == pytest.approx(min(expected, most), rel=1e-5)


def test_what_is_clipped_in_fp16_is_the_gradient_without_its_scale(small: Any) -> None:
    runs = [
        small.steps(
            small.method("finetune", dtype=torch.float32), last=1, compute=ComputeConfig(precision=p, clip_norm=0.5)
        )
        for p in ("fp32", "fp16")
    ]
    single, half = runs
    assert half.log[0]["grad_norm"] == pytest.approx(single.log[0]["grad_norm"], rel=0.02)
    assert norm(iter(half.gradients.values())) == pytest.approx(norm(iter(single.gradients.values())), rel=0.02)


def test_a_gradient_that_is_not_finite_is_not_clipped_to_nonsense(small: Any) -> None:
    method = small.method("finetune")
    weight = method.classifier.prototypes_Cd
    weight.register_hook(lambda gradient: gradient * math.nan)
    before, optimizers, compute = weight.clone(), method.optimizers(3), ComputeConfig(clip_norm=1.0)
    with pytest.raises(FloatingPointError, match="step 2: the gradient is not finite"):
        train_step(method, small.batch(0), optimizers, step=2, total=3, compute=compute)
    assert torch.equal(weight, before)


def test_channels_last_is_a_layout_and_not_other_numbers(small: Any, tmp_path: Path) -> None:
    compute, layouts = ComputeConfig(channels_last=True), set()
    method = compute.placed(small.method("rpkd"))
    assert isinstance(method, RPKD)
    for network in (method.student, method.teacher.network):
        assert isinstance(network.backbone, TinyBackbone)
        network.backbone.layers[0].register_forward_hook(
            lambda _module, _inputs, result: layouts.add(result.is_contiguous(memory_format=torch.channels_last))
        )
    last, first = small.steps(method, compute=compute), small.steps(small.method("rpkd"))
    assert layouts == {True}
    for mine, theirs in zip(last.log, first.log, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-7)
    optimizers = method.optimizers(3)
    save_state(tmp_path, method, optimizers, step=3)
    again = compute.placed(small.method("rpkd"))
    load_state(tmp_path, again, again.optimizers(3))
    for name, value in method.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
        assert again.state_dict()[name].stride() == value.stride(), name


@pytest.fixture
def deterministic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is as it was afterwards
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    before = torch.backends.cudnn.benchmark
    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = before


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_on_deterministic_algorithms_alone(small: Any, name: str) -> None:
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    one, two = (small.steps(small.method(name, dtype=torch.float32), last=2) for _ in range(2))
    assert one.log == two.log
    assert all(torch.equal(two.weights[key], value) for key, value in one.weights.items())


def test_only_what_changes_numbers_beyond_rounding_is_the_runs_identity() -> None:
    apart = ComputeConfig(micro_batch=4, channels_last=True, deterministic=True)
    assert apart.identity() == ComputeConfig().identity() == {}
    assert ComputeConfig(precision="bf16", clip_norm=2).identity() == {"precision": "bf16", "clip_norm": 2.0}
