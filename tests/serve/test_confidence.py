"""A least confidence as a least similarity: nothing that is confident enough lies below it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.confidence import least_similarity
from sketchray.calibration import Calibration


def calibration_of(scores: tuple[float, ...], log_odds: tuple[float, ...]) -> Calibration:
    return Calibration(
        encoder="0" * 32, scores=scores, log_odds=log_odds, data="made", queries=1, pictures=1, base_rate=0.1
    )


@given(
    scores=st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=6, unique=True).map(sorted),
    steps=st.lists(st.floats(0, 3), min_size=6, max_size=6),
    confidence=st.floats(0, 1),
)
def test_nothing_confident_lies_below(scores: list[float], steps: list[float], confidence: float) -> None:
    log_odds = tuple(np.cumsum([-6, *steps])[1 : len(scores) + 1].tolist())
    calibration = calibration_of(tuple(scores), log_odds)
    least = least_similarity(calibration, confidence)
    cosine = np.linspace(-1, 1, 4001)
    enough = cosine[calibration.probability(cosine) >= confidence]
    assert not len(enough) or enough[0] >= least
    assert -1 <= least <= 1


@pytest.mark.parametrize("cosine", [-0.75, 0.123456, 0.4, 0.8])
def test_it_is_close(cosine: float) -> None:
    calibration = calibration_of((-0.8, 0.1, 0.9), (-5.0, -1.0, 4.0))
    least = least_similarity(calibration, float(calibration.probability(cosine)))
    assert cosine - 1e-5 <= least <= cosine
