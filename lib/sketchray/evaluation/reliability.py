"""How far probabilities hold: what was said against what was, in bins, and the expected calibration error.

Shape legend: N pairs, B bins.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sketchray.config import Config

BINS = 10


class Bin(Config):
    """Pairs whose probability was said to lie between ``low`` and ``high``.

    Attributes:
        low, high: edges; ``high`` belongs to the next bin, but for the last one.
        count: number of pairs.
        predicted: mean of the probabilities that were said.
        observed: share of the pairs that are relevant.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float


class Reliability(Config):
    """What was said against what was.

    Attributes:
        bins: of equal width, without the empty ones.
        ece: expected calibration error: mean over pairs of |predicted - observed| of the pair's bin (Guo et al., ICML
            2017, eq. 3).
        brier: mean squared error of the probabilities.
        base_rate: share of relevant pairs; saying it of every pair has the Brier score ``base_rate (1 - base_rate)``.
        count: number of pairs.
    """

    bins: tuple[Bin, ...]
    ece: float
    brier: float
    base_rate: float
    count: int

    def markdown(self) -> str:
        """Return the bins as a Markdown table."""
        lines = ["| said | pairs | mean said | observed |", "| --- | ---: | ---: | ---: |"]
        lines += [f"| {_edges(bin)} | {bin.count} | {bin.predicted:.3f} | {bin.observed:.3f} |" for bin in self.bins]
        return "\n".join(lines)


def reliability(probability: npt.ArrayLike, relevant: npt.ArrayLike, *, bins: int = BINS) -> Reliability:
    """Compare probabilities with what they were said of.

    Args:
        probability: between 0 and 1, of any shape.
        relevant: what was true, of the same shape.
        bins: number of bins of equal width.

    Raises:
        ValueError: the shapes differ, there is nothing to compare, or a probability is none.
    """
    said, true = np.asarray(probability, np.float64), np.asarray(relevant, bool)
    if said.shape != true.shape or not said.size:
        raise ValueError(f"probabilities {said.shape} and relevance {true.shape} must be one shape, and not empty")
    if not ((said >= 0) & (said <= 1)).all():
        raise ValueError("a probability is not between 0 and 1")
    said_N, true_N = said.ravel(), true.ravel().astype(np.float64)
    bin_N = np.searchsorted(np.arange(1, bins) / bins, said_N, side="right")
    count_B = np.bincount(bin_N, minlength=bins)
    said_B, true_B = (np.bincount(bin_N, weights, bins).astype(np.float64) for weights in (said_N, true_N))
    return Reliability(
        bins=tuple(_bins(count_B, said_B, true_B)),
        ece=float(np.abs(said_B - true_B).sum() / len(said_N)),
        brier=float(((said_N - true_N) ** 2).mean()),
        base_rate=float(true_N.mean()),
        count=len(said_N),
    )


def _bins(
    count_B: npt.NDArray[np.int64], said_B: npt.NDArray[np.float64], true_B: npt.NDArray[np.float64]
) -> Iterable[Bin]:
    for place in np.flatnonzero(count_B):
        count = int(count_B[place])
        yield Bin(
            low=float(place / len(count_B)),
            high=float((place + 1) / len(count_B)),
            count=count,
            predicted=float(said_B[place] / count),
            observed=float(true_B[place] / count),
        )


def _edges(bin: Bin) -> str:
    return f"{bin.low:.2g} to {bin.high:.2g}"
