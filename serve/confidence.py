"""From a least confidence to the least similarity that can have it."""

import numpy as np

from sketchray.calibration import Calibration

STEPS = 1000


def least_similarity(calibration: Calibration, confidence: float) -> float:
    """Return a cosine below which no result has this confidence, at most 1e-5 below the one that has.

    Args:
        calibration: of the encoder.
        confidence: 0 to 1.
    """
    low, high = -1.0, 1.0
    for _ in range(2):
        cosine = np.linspace(low, high, STEPS + 1)
        enough = calibration.probability(cosine) >= confidence
        first = int(np.argmax(enough)) if enough.any() else STEPS
        low, high = float(cosine[max(first - 1, 0)]), float(cosine[first])
    return low
