"""ClusterRetri: its terms against slow definitions, photos apart from sketches, the semantic term and its absence."""

import dataclasses
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sketchray.losses import sample_noise


@torch.no_grad()
def slow_terms(method: Any, batch: Any, m: list[list[float]] | None) -> dict[str, float]:
    """Compute the terms sample by sample, as the module's docstring states them."""
    cls = kd = align = 0.0
    ids = batch.sketch_ids + batch.photo_ids
    for i, (image, label) in enumerate(zip(batch.images, batch.labels.tolist(), strict=True)):
        photo = i >= len(batch.sketches)
        f = method.student.features(image[None], torch.tensor([photo]))[0]
        cls -= math.log(method.classifier(f[None])[0].softmax(0)[label])
        eps = sample_noise(f[None], [ids[i]], seed=batch.seed, step=batch.step)[0]
        for p, q in zip(eps.softmax(0).tolist(), f.softmax(0).tolist(), strict=True):
            align += p * math.log(p / q)
        if photo:
            answer = method.teacher.ask(image[None])[1][0]
            shift = 0.0 if m is None else 0.3 * torch.tensor(m[label], dtype=answer.dtype)
            told, said = (answer + shift).div(2).softmax(0), method.logits(f).div(2).softmax(0)
            kd -= sum(p * math.log(q) for p, q in zip(told.tolist(), said.tolist(), strict=True))
    rows = len(ids)
    return {"cls": cls / rows, "kd": kd / len(batch.photos), "align": align / rows}


@pytest.mark.parametrize("dim", [8, None])
@pytest.mark.parametrize("semantic", [False, True])
def test_terms_are_their_definitions(small: Any, tmp_path: Path, dim: int | None, semantic: bool) -> None:
    m = torch.rand(5, 10, generator=torch.Generator().manual_seed(4)).tolist()
    (tmp_path / "m.json").write_text(json.dumps(dict(zip("abcde", m, strict=True))))
    options = {"semantics": str(tmp_path / "m.json")} if semantic else {}
    method = small.method("clusterretri", dim=dim, kd=0.5, tau_kd=2.0, align=0.2, **options)
    for parameter in method.student.parameters():  # away from the teacher
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    batch = small.batch(0)
    expected = slow_terms(method, batch, m if semantic else None)
    expected["loss"] = expected["cls"] + 0.5 * expected["kd"] + 0.2 * expected["align"]
    assert {name: term.item() for name, term in method(batch).items()} == pytest.approx(expected, rel=1e-6)


def test_distillation_sees_photos_alone(small: Any) -> None:
    method, batch = small.method("clusterretri"), small.batch(0)
    before = method(batch)["kd"]
    batch.sketches.random_(0, 256)
    assert torch.equal(method(batch)["kd"], before)
    batch.photos.random_(0, 256)
    assert not torch.equal(method(batch)["kd"], before)


def test_the_alignment_may_rise_to_its_weight(small: Any) -> None:
    method = small.method("clusterretri", align=0.4, align_warmup=4)
    for step, weight in [(0, 0.1), (1, 0.2), (3, 0.4), (9, 0.4)]:
        assert method.terms(dataclasses.replace(small.batch(0), step=step))["align"][0] == weight


def test_the_log_says_once_that_the_semantic_term_is_off(
    small: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        method = small.method("clusterretri")
        for step in range(2):
            method(small.batch(step))
    assert [r.message for r in caplog.records] == [
        "no file of class similarities (method.semantics): the semantic term is off"
    ]
    caplog.clear()
    (tmp_path / "m.json").write_text(json.dumps({word: [0.0] * 10 for word in "abcde"}))
    small.method("clusterretri", semantics=str(tmp_path / "m.json"))
    assert not caplog.records


def test_a_file_for_another_teacher_is_refused(small: Any, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps({word: [0.0] * 9 for word in "abcde"}))
    with pytest.raises(ValueError, match=r"m\.json: 9 similarities a class, but the teacher knows 10 classes"):
        small.method("clusterretri", semantics=str(tmp_path / "m.json"))
