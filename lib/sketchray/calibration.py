"""From cosine similarity to the probability that a result is relevant: a monotone map, kept in the encoder's package.

The map is a few knots of score and log-odds with straight lines between them, constant outside. A slope of `TIE_BREAK`
is added on top, so that a higher score has a higher probability everywhere: confidence never reorders results.

A probability depends on the share of relevant pictures: on a gallery with fewer of them the same score means less. So
a map is valid for galleries like the calibration set, whose share it carries as `base_rate`.
"""

import json
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat, ValidationError, model_validator
from scipy.special import expit

from sketchray.config import Config

FORMAT_VERSION: Literal[1] = 1
MAX_KNOTS = 32
TIE_BREAK = 0.01  # log-odds per unit of cosine: at most half a percent over all cosines


class CalibrationError(ValueError):
    """Bytes that are no calibration, or one of another encoder."""


class Calibration(Config):
    """A monotone map from cosine similarity to the probability of relevance, and what it was learnt from.

    Attributes:
        version: of this form.
        encoder: fingerprint of the encoder whose scores it reads.
        scores: of the knots, strictly ascending; `MAX_KNOTS` at most.
        log_odds: natural logarithm of the odds at each knot, ascending.
        data: the calibration set in words.
        queries, pictures: its size; every query was paired with every picture.
        base_rate: share of relevant pairs among them.
    """

    version: Literal[1] = FORMAT_VERSION
    encoder: str = Field(pattern="^[0-9a-f]{32}$")
    scores: tuple[FiniteFloat, ...] = Field(min_length=1, max_length=MAX_KNOTS)
    log_odds: tuple[FiniteFloat, ...] = Field(min_length=1, max_length=MAX_KNOTS)
    data: str
    queries: int = Field(ge=1)
    pictures: int = Field(ge=1)
    base_rate: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _is_monotone(self) -> "Calibration":
        if len(self.scores) != len(self.log_odds):
            raise ValueError(f"{len(self.scores)} scores but {len(self.log_odds)} log-odds")
        if any(low >= high for low, high in pairwise(self.scores)):
            raise ValueError("the scores do not ascend")
        if any(low > high for low, high in pairwise(self.log_odds)):
            raise ValueError("the log-odds descend")
        return self

    def probability(self, score: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probability that a result of this score is relevant, strictly between 0 and 1.

        Args:
            score: cosine similarities, of any shape; NaN stays NaN.

        Returns:
            Of the same shape. A higher score never has a lower probability; it has a higher one where the two differ
            by more than the rounding of float32 (1e-7).
        """
        x = np.asarray(score, np.float64)
        knot_K, y_K = np.array(self.scores), np.array(self.log_odds)
        # Not np.interp: its rounding may step back at a knot. Each operation here is monotone in x.
        left = np.clip(np.searchsorted(knot_K, x, side="right") - 1, 0, max(len(knot_K) - 2, 0))
        right = np.minimum(left + 1, len(knot_K) - 1)
        width = np.where(right > left, knot_K[right] - knot_K[left], 1.0)
        inside = np.clip(x, knot_K[0], knot_K[-1])
        line = y_K[left] + (y_K[right] - y_K[left]) / width * (inside - knot_K[left])
        probability: npt.NDArray[np.float64] = np.asarray(expit(np.minimum(line, y_K[right]) + TIE_BREAK * x))
        return probability

    def check_encoder(self, fingerprint: str) -> None:
        """Refuse another encoder's scores.

        Raises:
            CalibrationError: this was fitted to the scores of another encoder; both are named.
        """
        if fingerprint != self.encoder:
            raise CalibrationError(f"the calibration is of the encoder {self.encoder}, not of {fingerprint}")

    def to_bytes(self) -> bytes:
        """Return the calibration as JSON."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Calibration":
        """Read what `to_bytes` wrote.

        Raises:
            CalibrationError: damaged, of another version, or no calibration.
        """
        try:
            record = json.loads(data)
        except ValueError as error:
            raise CalibrationError(f"no calibration: not readable as JSON ({error})") from error
        version = record.get("version") if isinstance(record, dict) else None
        if version != FORMAT_VERSION:
            raise CalibrationError(f"the calibration is of format version {version}, this is {FORMAT_VERSION}")
        try:
            return cls.model_validate(record)
        except ValidationError as error:
            raise CalibrationError(f"the calibration is damaged ({error})") from error
