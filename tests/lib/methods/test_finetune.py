"""Finetune: plain cross-entropy over both modalities, on a backbone with a classifier of its own or without."""

import math
from typing import Any

import pytest
import torch

from sketchray.encoders import EncoderConfig
from sketchray.encoders.tiny import TinyBackbone
from sketchray.methods import create_method


@torch.no_grad()
@pytest.mark.parametrize("classifier", ["cosine", "linear"])
def test_its_loss_is_the_cross_entropy_of_every_sketch_and_photo(small: Any, classifier: str) -> None:
    method, batch = small.method("finetune", classifier=classifier, tau_cls=0.1), small.batch(0)
    total = 0.0
    for i, (image, label) in enumerate(zip(batch.images, batch.labels.tolist(), strict=True)):
        f = method.student.features(image[None], torch.tensor([i >= 4]))[0]
        weights = method.classifier.prototypes_Cd
        if classifier == "cosine":
            logits = [float(f @ w / f.norm() / w.norm() / 0.1) for w in weights]
        else:
            logits = [float(f @ w + b) for w, b in zip(weights, method.classifier.bias_C, strict=True)]
        total -= math.log(math.exp(logits[label]) / sum(map(math.exp, logits)))
    terms = method(batch)
    assert set(terms) == {"loss", "cls"}
    assert terms["loss"].item() == pytest.approx(total / 8, rel=1e-9)


def test_it_needs_no_classifier_of_the_backbone(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(backbone: TinyBackbone) -> Any:
        raise ValueError("no classifier")

    monkeypatch.setattr(TinyBackbone, "classifier", none)
    encoder = EncoderConfig(backbone="tiny-test", dim=None, image_size=32)
    assert create_method("finetune", classes=list("abcde"), encoder=encoder)(small.batch(0))["loss"].isfinite()
    with pytest.raises(ValueError, match="no classifier"):
        create_method("clusterretri", classes=list("abcde"), encoder=encoder)
