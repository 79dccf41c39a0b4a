"""The train job without labels: many views a sample, clusters an epoch, the teacher shipped."""

from pathlib import Path

import pytest

from jobs import train
from jobs._train_config import TrainConfig
from sketchray.data.reading import DataConfig
from sketchray.encoders import from_pretrained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local_ray")]

AMA = {
    "name": "ama",
    "crops": {"local_crops": 2, "local_size": 16, "outline": 0.3},
    "head": {"hidden": 16, "bottleneck": 8, "outputs": 24},
    "granularities": [2, 4],
    "cluster_samples": 20,  # so that reading stops half-way
    "contrast_from": 3,
    "contrast_full": 4,
    "mutual_from": 3,
    "ema_half_life": 2,
    "confidence": 0,
    "optimizer": "adamw",
}


def test_two_workers_train_without_labels_and_log_every_term(
    mini_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path / 'store'}")
    config = TrainConfig.model_validate(
        {
            "data": DataConfig(root=str(mini_root)),
            "method": AMA,
            "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
            "steps": 6,
            "steps_per_epoch": 3,
            "checkpoint_every": 3,
            "sketch_batch": 4,
            "photo_batch": 4,
        }
    )
    result = train.run(config)
    assert result["status"] == "trained"
    metrics = result["metrics"]
    for modality in ("sketch", "photo"):
        assert all(metrics[f"{term}_{modality}"] > 0 for term in ("sd", "cc", "sg", "kept", "spread"))
    assert sum(value for name, value in metrics.items() if name.startswith("share_")) == pytest.approx(1, rel=1e-4)
    assert from_pretrained(result["encoder"]).dim == 8
