"""Learn what a cosine similarity is worth: isotonic regression of relevance on score, over held-out seen data.

What is reported of a map is never measured on the pairs that it was fitted to. The queries' classes are dealt into
folds; the pairs of a fold's queries are given their probabilities by a map fitted to the other folds' queries.

Shape legend: Q queries, G pictures, N pairs, U distinct scores, K knots, D dimensions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from sketchray.calibration import Calibration
from sketchray.evaluation.ranked import Bools, Floats, Ints
from sketchray.evaluation.reliability import Reliability, reliability
from sketchray.evaluation.retrieval import class_numbers
from sketchray.ranking import create_ranker

KNOTS = 8  # on held-out classes of tiny-51 as many as 16 or 32 are worth, with a lower log loss than a logistic map's
FOLDS = 5
FIRST = 10


class Calibrated(NamedTuple):
    """A map and how far it can be trusted.

    Attributes:
        calibration: fitted to all pairs.
        overall: cross-validated reliability over all pairs.
        first: the same over each query's first `FIRST` pictures, which are what a user sees.
        folds: parts of the cross-validation.
    """

    calibration: Calibration
    overall: Reliability
    first: Reliability
    folds: int


def calibrate(
    queries_QD: npt.ArrayLike,
    query_classes: Sequence[str],
    gallery_GD: npt.ArrayLike,
    gallery_classes: Sequence[str],
    *,
    encoder: str,
    data: str,
) -> Calibrated:
    """Fit the map of an encoder to every pair of a query and a picture, and cross-validate it.

    Args:
        queries_QD, gallery_GD: embeddings of data that the encoder was not trained on.
        query_classes, gallery_classes: class names; a pair is relevant where they are equal.
        encoder: its fingerprint.
        data: the calibration set in words.

    Raises:
        ValueError: lengths or dimensions differ, an embedding is zero or not finite, the gallery is empty, or the
            queries are of fewer than two classes.
    """
    for name, rows, classes in (("query", queries_QD, query_classes), ("gallery", gallery_GD, gallery_classes)):
        if len(np.asanyarray(rows)) != len(classes):
            raise ValueError(f"{len(np.asanyarray(rows))} {name} embeddings but {len(classes)} class names")
    names, query_class_Q, gallery_class_G = class_numbers(query_classes, gallery_classes)
    if len(names) < 2 or not len(gallery_class_G):
        raise ValueError(
            f"calibration needs queries of two classes and a gallery, not {len(names)} classes and "
            f"{len(gallery_class_G)} pictures"
        )
    score_QG = create_ranker("nearest").scorer(queries_QD, gallery_GD, None)(slice(None))
    relevant_QG = query_class_Q[:, None] == gallery_class_G[None]
    folds = min(FOLDS, len(names))
    predicted_QG = cross_validate(score_QG, relevant_QG, query_class_Q % folds, encoder=encoder, data=data)
    first_QF = np.argsort(-score_QG, axis=1, kind="stable")[:, :FIRST]
    return Calibrated(
        calibration=fit_calibration(score_QG, relevant_QG, encoder=encoder, data=data),
        overall=reliability(predicted_QG, relevant_QG),
        first=reliability(*(np.take_along_axis(x, first_QF, axis=1) for x in (predicted_QG, relevant_QG))),
        folds=folds,
    )


def cross_validate(score_QG: Floats, relevant_QG: Bools, fold_Q: Ints, *, encoder: str, data: str) -> Floats:
    """Return each pair's probability by a map that was fitted to the queries of the other folds alone."""
    predicted_QG = np.empty_like(score_QG)
    for fold in np.unique(fold_Q):
        here_Q = fold_Q == fold
        fitted = fit_calibration(score_QG[~here_Q], relevant_QG[~here_Q], encoder=encoder, data=data)
        predicted_QG[here_Q] = fitted.probability(score_QG[here_Q])
    return predicted_QG


def fit_calibration(
    score_QG: Floats, relevant_QG: Bools, *, encoder: str, data: str, knots: int = KNOTS
) -> Calibration:
    """Fit a map to the pairs of some queries and pictures.

    Isotonic regression gives blocks of scores with one rate of relevance each; a knot is a block's mean score and the
    log-odds of its rate. Where there are too many, neighbours are joined, those first whose join adds least squared
    error. One relevant pair is added at the lowest score and one irrelevant pair at the highest (Laplace's rule at the
    ends), so that no finite evidence makes certain.

    Args:
        score_QG: cosine similarities.
        relevant_QG: whether the picture is of the query's class.
        encoder, data: as in `calibrate`.
        knots: at most so many.
    """
    score_U, place_N, count_U = np.unique(score_QG, return_inverse=True, return_counts=True)
    hits_U = np.bincount(place_N.ravel(), weights=relevant_QG.ravel(), minlength=len(score_U))
    seen_U = count_U.astype(np.float64)
    hits_U[0] += 1
    seen_U[0] += 1
    seen_U[-1] += 1
    first_K = isotonic_regression(hits_U / seen_U, weights=seen_U).blocks[:-1]
    score_K, count_K, hits_K, seen_K = (
        np.add.reduceat(values_U, first_K) for values_U in (score_U * count_U, count_U, hits_U, seen_U)
    )
    score_K, hits_K, seen_K = _joined(score_K / count_K, hits_K, seen_K, knots)
    return Calibration(
        encoder=encoder,
        scores=tuple(score_K.tolist()),
        log_odds=tuple(np.log(hits_K / (seen_K - hits_K)).tolist()),
        data=data,
        queries=score_QG.shape[0],
        pictures=score_QG.shape[1],
        base_rate=float(relevant_QG.mean()),
    )


def _joined(score_K: Floats, hits_K: Floats, seen_K: Floats, knots: int) -> tuple[Floats, Floats, Floats]:
    """Join neighbouring blocks until ``knots`` are left."""
    while len(score_K) > knots:
        rate_K = hits_K / seen_K
        cost = np.diff(rate_K) ** 2 * seen_K[1:] * seen_K[:-1] / (seen_K[1:] + seen_K[:-1])
        left = int(cost.argmin())
        weight = seen_K[left : left + 2]
        score_K[left] = np.average(score_K[left : left + 2], weights=weight)
        hits_K[left], seen_K[left] = hits_K[left : left + 2].sum(), weight.sum()
        score_K, hits_K, seen_K = (np.delete(values_K, left + 1) for values_K in (score_K, hits_K, seen_K))
    return score_K, hits_K, seen_K
