"""SBKA: its terms against slow definitions, one backward against the authors' two, what each phase moves."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses import sample_noise
from sketchray.methods.fitting import train_step


def dot(p: Tensor, q: Tensor) -> float:
    """Return - p . log q."""
    return -float(sum(a * math.log(b) for a, b in zip(p.tolist(), q.tolist(), strict=True)))


def apart(method: Any) -> Any:
    """Move the student away from the teacher, from which it starts."""
    generator = torch.Generator().manual_seed(3)
    for parameter in [*method.student.parameters(), *method.logits.parameters()]:
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return method


@torch.no_grad()
def slow_terms(method: Any, batch: Any, m: list[list[float]] | None) -> dict[str, float]:
    """Compute the terms sample by sample, as the module's docstring states them."""
    terms = dict.fromkeys(("cls", "student", "align", "teacher"), 0.0)
    ids, photos = batch.sketch_ids + batch.photo_ids, len(batch.photos)
    for i, (image, label) in enumerate(zip(batch.images, batch.labels.tolist(), strict=True)):
        photo = i >= len(batch.sketches)
        f = method.student.features(image[None], torch.tensor([photo]))[0]
        terms["cls"] -= math.log(method.classifier(f[None])[0].softmax(0)[label]) / len(ids)
        eps = sample_noise(f[None], [ids[i]], seed=batch.seed, step=batch.step)[0].softmax(0)
        terms["align"] += (dot(eps, f.softmax(0)) - dot(eps, eps)) / len(ids)
        if photo:
            z_s, z_t = method.logits(f), method.teacher_head(method.teacher.features(image[None])[0])
            shift = 0.0 if m is None else 0.3 * torch.tensor(m[label], dtype=f.dtype)
            terms["student"] += dot((z_t + shift).softmax(0), z_s.softmax(0)) / photos
            terms["teacher"] += dot((z_s + shift).softmax(0), z_t.softmax(0)) / photos
    return terms


@pytest.mark.parametrize("dim", [8, None])
@pytest.mark.parametrize("semantic", [False, True])
@pytest.mark.parametrize("phase_one_steps", [0, 1])
def test_terms_are_their_definitions(
    small: Any, tmp_path: Path, dim: int | None, semantic: bool, phase_one_steps: int
) -> None:
    m = torch.rand(5, 10, generator=torch.Generator().manual_seed(4)).tolist()
    (tmp_path / "m.json").write_text(json.dumps(dict(zip("abcde", m, strict=True))))
    options = {"semantics": str(tmp_path / "m.json")} if semantic else {}
    method = apart(small.method("sbka", dim=dim, align=0.2, phase_one_steps=phase_one_steps, **options))
    expected = slow_terms(method, small.batch(0), m if semantic else None)
    expected["loss"] = expected["cls"] + expected["student"] + 0.2 * expected["align"] + expected["teacher"]
    assert {name: term.item() for name, term in method(small.batch(0)).items()} == pytest.approx(expected, rel=1e-6)


def soft(logits: Tensor, target: Tensor) -> Tensor:
    return -(F.softmax(target, dim=1) * F.log_softmax(logits, dim=1)).sum() / len(logits)


def two_passes(method: Any, batch: Any, optimizers: Any) -> None:
    """Do a step as the authors' code does: no target detached, a backward pass for each network in phase two."""
    student, teacher = optimizers["student"], optimizers["teacher"]
    f = method.student.features(batch.images, batch.is_photo)
    z_s, z_t = method.logits(f[batch.is_photo]), method.teacher_head(method.teacher.features(batch.photos))
    eps = sample_noise(f, batch.sketch_ids + batch.photo_ids, seed=batch.seed, step=batch.step)
    aligned = (F.softmax(eps, dim=1) * (F.log_softmax(eps, dim=1) - F.log_softmax(f, dim=1))).sum() / len(f)
    student_loss = F.cross_entropy(method.classifier(f), batch.labels) + soft(z_s, z_t) + 0.1 * aligned
    student.zero_grad()
    if batch.step < method.config.phase_one_steps:
        torch.autograd.backward(student_loss)
        student.step()
        return
    torch.autograd.backward(student_loss, retain_graph=True)
    teacher.zero_grad()
    torch.autograd.backward(soft(z_t, z_s))
    student.step()
    teacher.step()


def test_one_backward_pass_equals_the_authors_two(small: Any) -> None:
    options = {"phase_one_steps": 2, "lr": 1e-3, "head_lr": 1e-3, "teacher_lr": 1e-3, "optimizer": "adam"}
    ours, theirs = (apart(small.method("sbka", **options)) for _ in range(2))
    our_optimizers, their_optimizers = ours.optimizers(5), theirs.optimizers(5)
    for step in range(5):
        for name, optimizer in their_optimizers.items():
            for group, mine in zip(optimizer.param_groups, our_optimizers[name].param_groups, strict=True):
                group["lr"] = mine.get("initial_lr", mine["lr"]) * theirs.lr_factor(step, 5)
        two_passes(theirs, dataclasses.replace(small.batch(step), step=step), their_optimizers)
        train_step(ours, small.batch(step), our_optimizers, step=step, total=5)
        gradients = {name: p.grad for name, p in theirs.named_parameters()}
        for name, parameter in ours.named_parameters():
            if parameter.grad is not None and not (step < 2 and name.startswith("teacher_head.")):
                torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-9, atol=1e-14, msg=name)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("phase_one_steps", [1, 0])
def test_the_student_feels_what_it_teaches_in_phase_two_alone(small: Any, phase_one_steps: int) -> None:
    method = apart(small.method("sbka", phase_one_steps=phase_one_steps))
    term, bias = method(small.batch(0))["teacher"], method.logits.bias
    (gradient,) = torch.autograd.grad(term, bias, materialize_grads=True, allow_unused=True)
    assert bool(gradient.any()) == (phase_one_steps == 0)


def test_phase_one_leaves_the_teacher_to_the_bit_and_phase_two_moves_its_head_alone(small: Any) -> None:
    method = apart(small.method("sbka", phase_one_steps=2))
    optimizers = method.optimizers(6)
    start = {name: value.clone() for name, value in method.state_dict().items()}
    for step in range(4):
        train_step(method, small.batch(step), optimizers, step=step, total=6)
        now = method.state_dict()
        assert all(torch.equal(now[name], start[name]) for name in start if name.startswith("teacher."))
        for name in ("teacher_head.weight", "teacher_head.bias"):
            assert torch.equal(now[name], start[name]) == (step < 2)
        assert not torch.equal(now["logits.weight"], start["logits.weight"])


def test_student_and_teacher_start_as_the_backbone_with_its_own_classifier(small: Any) -> None:
    method = small.method("sbka", dim=None)
    photos = small.batch(0).photos
    expected = method.teacher.ask(photos)[1]
    torch.testing.assert_close(method.teacher_head(method.teacher.features(photos)), expected)
    torch.testing.assert_close(
        method.logits(method.student.features(photos, torch.ones(4, dtype=torch.bool))), expected
    )
    assert method(small.batch(0))["cls"].item() == pytest.approx(math.log(5), abs=0.01)  # all classes equally likely
