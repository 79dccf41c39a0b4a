"""RPKD: its terms against slow definitions, two ranks against one, what trains and what does not."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from sketchray.config import ConfigError
from sketchray.methods import RPKD, Method
from sketchray.methods.fitting import train_step

Ranks = Callable[..., list[Any]]


def kl(p: Tensor, q: Tensor) -> float:
    return float(sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True)))


@torch.no_grad()
def slow_terms(method: RPKD, small: Any) -> dict[str, float]:
    """Compute the terms of step 0 sample by sample, as the module's docstring states them."""
    config, batch = method.config, small.batch(0)
    images, labels = [*batch.sketches, *batch.photos], batch.labels.tolist()
    student = [method.student.features(image[None], torch.tensor([i >= 4]))[0] for i, image in enumerate(images)]
    unit = [F.normalize(z, dim=0) for z in student]
    teacher, answers = [], []
    for i, image in enumerate(images):
        embedding_Bd, logits_BK = method.teacher.ask(image[None])
        as_class = i < 4 and config.sketch_teacher == "class"
        teacher.append(method.centres_Cd[labels[i]] if as_class else embedding_Bd[0])
        answers.append(method.answers_CK[labels[i]] if as_class else logits_BK[0])
    prototypes = F.normalize(method.classifier.prototypes_Cd, dim=1)
    terms = dict.fromkeys(("cls", "inst", "rel", "cross", "emb"), 0.0)
    present = sorted(set(labels))
    assert method.logits is not None
    for i, label in enumerate(labels):
        seen = torch.stack([unit[i] @ p for p in prototypes]) / config.tau_cls
        terms["cls"] -= math.log(seen.softmax(0)[label].item())
        told, said = (answers[i] / config.tau_inst).softmax(0), (method.logits(student[i]) / config.tau_inst).softmax(0)
        terms["inst"] -= float((told * said.log()).sum())
        others = [j for j in range(len(labels)) if j != i]
        target = torch.stack([teacher[i] @ teacher[j] / config.tau_rel for j in others]).softmax(0)
        terms["rel"] += kl(target, torch.stack([unit[i] @ unit[j] / config.tau_rel for j in others]).softmax(0))
        terms["cross"] += kl(target, torch.stack([unit[i] @ teacher[j] / config.tau_rel for j in others]).softmax(0))
        similar = torch.stack([teacher[i] @ method.centres_Cd[k] / config.tau_emb for k in present]).softmax(0)
        terms["emb"] += kl(similar, seen[present].softmax(0))
    return {name: value / len(labels) for name, value in terms.items()}


@pytest.mark.parametrize("dim", [8, None])
@pytest.mark.parametrize("sketch_teacher", ["class", "itself"])
def test_terms_are_their_definitions(small: Any, dim: int | None, sketch_teacher: str) -> None:
    weights = {"inst": 0.5, "rel": 2.0, "cross": 0.7, "emb": 0.3}
    method = small.method(dim=dim, sketch_teacher=sketch_teacher, **weights)
    for parameter in method.student.parameters():  # away from the teacher, where relations are zero
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    terms = {name: term.item() for name, term in method(small.batch(0)).items()}
    expected = slow_terms(method, small)
    expected["loss"] = expected["cls"] + sum(weights[name] * expected[name] for name in weights)
    assert terms == pytest.approx(expected, rel=1e-6)


def test_a_weight_of_zero_leaves_the_term_out(small: Any) -> None:
    method = small.method(inst=0, rel=0, cross=0, emb=0)
    terms = method(small.batch(0))
    assert set(terms) == {"loss", "cls"}
    assert torch.equal(terms["loss"], terms["cls"])


def test_at_the_start_the_student_is_the_teacher(small: Any) -> None:
    method = small.method(sketch_teacher="itself")
    terms = method(small.batch(0))
    torch.testing.assert_close(terms["rel"].item(), 0.0, atol=1e-9, rtol=0)
    torch.testing.assert_close(terms["cross"].item(), 0.0, atol=1e-9, rtol=0)


def test_a_batch_of_one_sketch_and_one_photo_trains(small: Any) -> None:
    method = small.method()
    values = train_step(method, small.batch(0, rows=1), method.optimizers(1), step=0, total=1)
    assert all(map(math.isfinite, values.values()))


def test_every_trainable_parameter_gets_a_gradient_and_frozen_ones_none(small: Any) -> None:
    method = small.method()
    method(small.batch(0))["loss"].backward()
    for name, parameter in method.named_parameters():
        frozen = name.startswith(("teacher.", "student.backbone.layers.0."))
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name


def run_steps(small: Any, *, ranks: int) -> tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]:
    """Do three steps; return their terms, the first step's gradients, and the weights at the end."""
    rank = dist.get_rank() if ranks > 1 else 0
    method = small.method(lr=1e-3, head_lr=1e-3, warmup=1, ema=0.9)
    model: Method | DistributedDataParallel = DistributedDataParallel(method) if ranks > 1 else method
    optimizers, log, gradients = method.optimizers(3), [], {}
    for step in range(3):
        batch = small.batch(step, rank=rank, ranks=ranks)
        log.append(train_step(model, batch, optimizers, step=step, total=3))
        if step == 0:
            gradients = {n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None}
    return log, gradients, {name: t.clone() for name, t in method.state_dict().items()}


def run_steps_on_two(small: Any) -> tuple[list[dict[str, float]], dict[str, Tensor], dict[str, Tensor]]:
    return run_steps(small, ranks=2)


def test_two_ranks_equal_one_process_with_the_whole_batch(small: Any, two_ranks: Ranks) -> None:
    log, gradients, weights = run_steps(small, ranks=1)
    for their_log, their_gradients, their_weights in two_ranks(run_steps_on_two, small):
        for mine, theirs in zip(log, their_log, strict=True):
            assert theirs == pytest.approx(mine, rel=1e-9, abs=1e-12)
        assert gradients.keys() == their_gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(their_gradients[name], gradient, rtol=1e-5, atol=1e-12, msg=name)
        for name, weight in weights.items():
            torch.testing.assert_close(their_weights[name], weight, rtol=1e-5, atol=1e-9, msg=name)


def class_means_on_a_rank(small: Any) -> Tensor:
    method = small.method()
    images_B3HW, labels_B = small.batch(0, rows=8).photos, torch.tensor([0, 1, 2, 3, 4, 0, 1, 1])
    part = slice(dist.get_rank() * 4, dist.get_rank() * 4 + 4)
    method.prepare([(images_B3HW[part], labels_B[part])])
    return torch.cat([method.centres_Cd, method.answers_CK], dim=1)


def test_class_centres_are_means_over_the_photos_of_all_ranks(small: Any, two_ranks: Ranks) -> None:
    method = small.method()
    images_B3HW, labels_B = small.batch(0, rows=8).photos, torch.tensor([0, 1, 2, 3, 4, 0, 1, 1])
    embedding_Bd, logits_BK = method.teacher.ask(images_B3HW)
    for c in range(5):
        rows = labels_B == c
        for theirs in two_ranks(class_means_on_a_rank, small):
            torch.testing.assert_close(theirs[c, :8], F.normalize(embedding_Bd[rows].mean(0), dim=0))
            torch.testing.assert_close(theirs[c, 8:].exp(), logits_BK[rows].softmax(1).mean(0))


def test_a_seen_class_without_photos_is_named(small: Any) -> None:
    with pytest.raises(ValueError, match=r"no photos of the seen classes with labels \[3, 4\]"):
        small.method().prepare([(small.batch(0).photos, torch.tensor([0, 1, 2, 2]))])


def test_without_an_average_the_student_ships_and_with_one_the_average(small: Any) -> None:
    method = small.method()
    assert method.encoder is method.student
    method = small.method(ema=0.5, warmup=1, lr=1e-2)
    before = [p.clone() for p in method.student.parameters()]
    train_step(method, small.batch(0), method.optimizers(9), step=0, total=9)
    assert method.encoder is method.average
    for old, mean, new in zip(before, method.encoder.parameters(), method.student.parameters(), strict=True):
        torch.testing.assert_close(mean, old + 0.9 * (new - old))  # (1 + 0) / (10 + 0) of the old at the first step


def test_the_learning_rate_warms_up_and_falls_to_nothing(small: Any) -> None:
    method = small.method(warmup=4)
    rates = [method.lr_factor(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.25, rel=1e-3)
    assert rates[3] == max(rates) == pytest.approx(1, rel=5e-3)
    assert rates[100] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"tau_ins": 1}, r"unknown key method.tau_ins; did you mean method.tau_inst\?"), ({"tau_cls": 0}, "tau_cls")],
)
def test_a_wrong_option_is_refused_by_name(small: Any, wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small.method(**wrong)
