"""Trials of every status, as a search's journal has them."""

from typing import Any

from jobs._tune_journal import Trial


def trial(number: int, curve: dict[int, float], status: str = "running", point: Any = ()) -> Trial:
    """Return a trial of four steps."""
    values = {"trial": number, "overrides": dict(point), "steps": 4, "status": status, "curve": tuple(curve.items())}
    return Trial.model_validate(values | ({"error": "broken"} if status == "failed" else {}))


TRIALS = [
    trial(0, {2: 0.9, 4: 0.5}, "finished", {"method.lr": 0.1}),
    trial(1, {2: 0.4, 4: 0.6}, "finished", {"method.lr": 0.2, "encoder.backbone": "tiny-test"}),
    trial(2, {2: 0.95}, "stopped", {"method.lr": 0.3, "encoder.backbone": 7}),
    trial(3, {}, "failed", {"method.lr": 0.4}),
]
