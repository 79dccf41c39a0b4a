"""What the vectors alone say about a number of clusters; a higher score is better throughout.

Shape legend: N rows, D dimensions, K clusters.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sketchray.ranking.kmeans import kmeans, squared_distances
from sketchray.ranking.mixture import gaussian_mixture
from sketchray.ranking.scoring import Floats

Criterion = Literal["silhouette", "bic", "stability"]

STARTS = 4  # of each k-means, the tightest is kept: a score should tell of K, not of the luck of a start
SPLITS = 5  # pairs of halves
SILHOUETTE_ROWS = 2_000  # their pairwise distances are held


class Judged(NamedTuple):
    """The score of every number tried, and the number chosen."""

    scores: tuple[float, ...]
    choice: int


def silhouette(x_ND: Floats, grid: Sequence[int], *, seed: int) -> Judged:
    """Mean silhouette of the clusters (Rousseeuw 1987), by Euclidean distance; the highest is chosen."""
    from sklearn.metrics import silhouette_score

    near_ND = x_ND[:SILHOUETTE_ROWS]
    distance_NN = np.sqrt(squared_distances(near_ND, near_ND))
    np.fill_diagonal(distance_NN, 0)
    scores = []
    for codewords in grid:
        label_N = _assign(near_ND, tight_kmeans(x_ND, codewords, seed=seed))
        usable = 2 <= len(np.unique(label_N)) < len(near_ND)
        scores.append(float(silhouette_score(distance_NN, label_N, metric="precomputed")) if usable else -1.0)
    return Judged(tuple(scores), grid[int(np.argmax(scores))])


def bic(x_ND: Floats, grid: Sequence[int], *, seed: int) -> Judged:
    """Minus the Bayesian information criterion of a diagonal mixture (Schwarz 1978), a row; the highest is chosen."""
    scores = [
        -float(gaussian_mixture(x_ND, codewords, covariance="diag", seed=seed).bic(x_ND)) / len(x_ND)
        for codewords in grid
    ]
    return Judged(tuple(scores), grid[int(np.argmax(scores))])


def stability(x_ND: Floats, grid: Sequence[int], *, seed: int) -> Judged:
    """Agreement of the clusters found in two disjoint halves, as all rows are assigned to either.

    The score is the mean adjusted Rand index over random halves (after Lange et al. 2004). Many numbers below the
    right one can be stable too, so the largest is chosen whose mean is within a standard error of the best.
    """
    from sklearn.metrics import adjusted_rand_score

    rng, half = np.random.default_rng(seed), len(x_ND) // 2
    orders = [rng.permutation(len(x_ND)) for _ in range(SPLITS)]
    index_KS = np.array(
        [
            [
                adjusted_rand_score(
                    *(
                        _assign(x_ND, tight_kmeans(x_ND[part], codewords, seed=seed + split))
                        for part in (order[:half], order[half:])
                    )
                )
                for split, order in enumerate(orders)
            ]
            for codewords in grid
        ]
    )
    mean_K, error_K = index_KS.mean(axis=1), index_KS.std(axis=1, ddof=1) / np.sqrt(SPLITS)
    best = int(np.argmax(mean_K))
    close = np.flatnonzero(mean_K >= mean_K[best] - error_K[best])
    return Judged(tuple(mean_K.tolist()), grid[int(close[-1])])


def tight_kmeans(x_ND: Floats, codewords: int, *, seed: int) -> Floats:
    """Return the centres of least squared distance among a few k-means from spread starts."""
    tries = [kmeans(x_ND, codewords, seed=STARTS * seed + start, start="spread") for start in range(STARTS)]
    return min(tries, key=lambda centres_KD: float(squared_distances(x_ND, centres_KD).min(axis=1).sum()))


def _assign(x_ND: Floats, centres_KD: Floats) -> npt.NDArray[np.int64]:
    return np.asarray(squared_distances(x_ND, centres_KD).argmin(axis=1))
