"""k-means in float64: the authors' plain one, and a careful start for comparing numbers of clusters.

Shape legend: N rows, K clusters, D dimensions.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from sketchray.ranking.scoring import Floats, rounded

Start = Literal["points", "spread"]


def kmeans(x_ND: Floats, codewords: int, *, seed: int, iterations: int = 20, start: Start = "points") -> Floats:
    """Return the centres (K, D) after Lloyd's iterations.

    Args:
        x_ND: rows, float64.
        codewords: K, at most N.
        seed: of the start.
        iterations: at most; it ends earlier when nothing moves.
        start: ``points`` takes K random rows, as ClusterRetri does (20 iterations of scipy's kmeans2); ``spread`` draws
            each next one far from those taken (k-means++, Arthur and Vassilvitskii 2007).

    A cluster that loses all its rows takes the row that is farthest from its centre, so K clusters stay K.

    Raises:
        ValueError: fewer rows than clusters.
    """
    if codewords > len(x_ND):
        raise ValueError(f"{len(x_ND)} rows cannot be given {codewords} codewords")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(x_ND), codewords, replace=False) if start == "points" else _spread(x_ND, codewords, rng)
    centres_KD, label_N = x_ND[chosen], np.full(len(x_ND), -1)
    for _ in range(iterations):
        distance_NK = squared_distances(x_ND, centres_KD)
        before, label_N = label_N, distance_NK.argmin(axis=1)
        _fill(label_N, distance_NK.min(axis=1), codewords)
        if np.array_equal(before, label_N):
            break
        centres_KD = means(x_ND, label_N, codewords)
    return centres_KD


def squared_distances(x_ND: Floats, centres_KD: Floats) -> Floats:
    """Return ``||x - c||^2``, (N, K), in steps of 2^-32, so that equal rows stay equally far on any machine."""
    lengths_N, lengths_K = (x_ND**2).sum(axis=1), (centres_KD**2).sum(axis=1)
    return np.maximum(rounded(lengths_N[:, None] - 2 * x_ND @ centres_KD.T + lengths_K), 0)


def means(x_ND: Floats, label_N: npt.NDArray[np.int64], clusters: int) -> Floats:
    """Return the mean row of each cluster, (K, D); none may be empty."""
    order = np.argsort(label_N, kind="stable")
    count_K = np.bincount(label_N, minlength=clusters)
    assert count_K.all(), "a cluster is empty"
    sums_KD = np.add.reduceat(x_ND[order], np.cumsum(count_K) - count_K, axis=0)
    return np.asarray(sums_KD / count_K[:, None])


def _fill(label_N: npt.NDArray[np.int64], distance_N: Floats, clusters: int) -> None:
    """Give each empty cluster the row farthest from its centre whose own cluster can spare it, in place."""
    count_K = np.bincount(label_N, minlength=clusters)
    farthest = iter(np.argsort(-distance_N, kind="stable"))
    for empty in np.flatnonzero(count_K == 0):
        row = next(row for row in farthest if count_K[label_N[row]] > 1)
        count_K[label_N[row]] -= 1
        count_K[empty], label_N[row] = 1, empty


def _spread(x_ND: Floats, codewords: int, rng: np.random.Generator) -> list[int]:
    chosen = [int(rng.integers(len(x_ND)))]
    nearest_N = squared_distances(x_ND, x_ND[chosen])[:, 0]
    while len(chosen) < codewords:
        free_N = np.ones(len(x_ND)) if not nearest_N.any() else nearest_N
        free_N = np.where(np.isin(np.arange(len(x_ND)), chosen), 0, free_N)
        chosen.append(int(rng.choice(len(x_ND), p=free_N / free_N.sum())))
        nearest_N = np.minimum(nearest_N, squared_distances(x_ND, x_ND[chosen[-1:]])[:, 0])
    return chosen
