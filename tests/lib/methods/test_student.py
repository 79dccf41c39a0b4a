"""What methods with one student share: rates over time, kinds of optimiser and classifier, where prototypes start."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam, AdamW

from sketchray.config import ConfigError

Ranks = Callable[..., list[Any]]


def test_the_exponential_schedule_falls_to_a_thousandth_as_in_the_papers(small: Any) -> None:
    method = small.method("finetune", schedule="exponential", warmup=1)
    assert [method.lr_factor(step, 20) for step in (0, 10, 20)] == pytest.approx([1, 0.001**0.5, 0.001])
    warm = small.method("finetune", schedule="exponential", warmup=4)
    assert warm.lr_factor(1, 20) == pytest.approx(0.5 * 0.001 ** (1 / 20))


def test_the_papers_decay_is_a_part_of_the_gradient_and_ours_is_not(small: Any) -> None:
    start, after = 2.0, {}
    for kind in ("adam", "adamw"):
        method = small.method("finetune", optimizer=kind, weight_decay=0.5)
        parameter = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
        optimizer = method.optimizer([{"params": [parameter], "lr": 0.1}])
        assert type(optimizer) is (Adam if kind == "adam" else AdamW)
        parameter.grad = torch.zeros(1, dtype=torch.float64)
        optimizer.step()
        after[kind] = parameter.item()
    assert after["adam"] == pytest.approx(start - 0.1)  # Adam's first step has length lr, whatever the gradient
    assert after["adamw"] == pytest.approx(start * (1 - 0.1 * 0.5))


def test_no_parameter_that_trains_is_left_to_no_optimiser_or_to_two(small: Any) -> None:
    for name in ("finetune", "clusterretri", "rpkd", "sbka"):
        method = small.method(name, ema=0.5)
        owned = [p for o in method.optimizers(3).values() for group in o.param_groups for p in group["params"]]
        assert len(owned) == len(set(owned))
        assert set(owned) == {p for p in method.parameters() if p.requires_grad}


def test_a_linear_classifier_starts_with_all_classes_equally_likely(small: Any) -> None:
    method, batch = small.method("rpkd", classifier="linear"), small.batch(0)
    logits = method.classifier(method.student.features(batch.images, batch.is_photo))
    torch.testing.assert_close(logits.softmax(1), torch.full_like(logits, 0.2), atol=1e-3, rtol=0)
    assert method(batch)["loss"].isfinite()


def test_what_is_not_offered_is_refused(small: Any) -> None:
    for wrong in ({"classifier": "svm"}, {"optimizer": "sgd"}, {"schedule": "step"}):
        with pytest.raises(ConfigError, match=f"method.{next(iter(wrong))}"):
            small.method("finetune", **wrong)


LABELS = torch.tensor([0, 1, 3, 0])


def prototypes_on_a_rank(small: Any) -> Tensor:
    method, photos = small.method("finetune"), small.batch(0).photos
    part = slice(dist.get_rank() * 2, dist.get_rank() * 2 + 2)
    method.prepare([(photos[part], LABELS[part])])
    prototypes: Tensor = method.classifier.prototypes_Cd.detach()
    return prototypes


@torch.no_grad()
def test_prototypes_start_at_the_centres_of_the_photos_of_all_ranks(small: Any, two_ranks: Ranks) -> None:
    method, photos = small.method("finetune"), small.batch(0).photos
    before = method.classifier.prototypes_Cd.clone()
    unit = [method.student(photo[None], torch.tensor([True]))[0] for photo in photos]
    expected = [F.normalize(unit[0] + unit[3], dim=0), unit[1], before[2], unit[2], before[4]]
    for theirs in two_ranks(prototypes_on_a_rank, small):
        torch.testing.assert_close(theirs, torch.stack(expected))
