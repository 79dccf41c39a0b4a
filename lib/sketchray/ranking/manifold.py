"""Manifold ranking over codewords: what a query is like spreads along the gallery itself.

A drawing lies beside the photographs, and which photographs of its thing it lies nearest to is half chance; photographs
of a thing lie close to one another. So an item counts for what the query finds where a random walk from the item leads
(manifold ranking, Zhou et al., NIPS 2003). The walk goes over K codewords that stand for the items, so it is one small
matrix, fitted once (anchor graphs: Liu et al., ICML 2010; for retrieval Xu et al., SIGIR 2011):

    Z    each row in parts of 1 to its ``neighbours`` nearest codewords, as exp(cos / tau_graph)
    T    diag(Z' 1)^-1 Z' Z: from codeword to codeword by the rows that they share
    P    (1 - go_on) (I - go_on T)^-1: where a walk ends that goes on with this probability at each step
    d_k  -2 tau log sum_j P_kj exp(-||q - c_j||^2 / (2 tau)), in place of an item's squared distance to its codeword k

P's rows sum to 1, so d_k is a mean of squared distances in which the least count most. The mean at a temperature, and
the item's own distance fused in as with the other codebooks, are ours. Figures: ``benchmarks/quality.md``.

Shape legend: G gallery items, N rows fitted to, K codewords, D dimensions, B rows of a block, S codewords of a row.
"""

import math

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sketchray.ranking.codebook import Codebook, Fitted, Walk, WalkPlan
from sketchray.ranking.fitted_ranker import FittedConfig, FittedRanker
from sketchray.ranking.kmeans import kmeans
from sketchray.ranking.sampling import sample_rows
from sketchray.ranking.scoring import Floats, as_vectors, unit_rows

FUSION = 0.02  # of the own distance: more of it takes back what the walk gave
MOST_CODEWORDS = 1024  # that "auto" takes: the walk is a matrix of their square
BLOCK = 4096  # rows whose shares are held at a time


class ManifoldConfig(WalkPlan, FittedConfig):
    """The walk, and what every codebook ranking can be told."""

    fusion: float = Field(default=FUSION, ge=0, le=1)


class ManifoldRanker(FittedRanker):
    """k-means codewords of unit length, joined by a walk."""

    def __init__(self, config: ManifoldConfig) -> None:
        self._config: ManifoldConfig = config

    def fit(self, gallery_GD: npt.ArrayLike) -> Codebook:
        config = self._config
        x_ND = sample_rows(as_vectors(gallery_GD, "gallery"), config.fit_rows, seed=config.seed)
        codewords = _enough(len(x_ND)) if config.codewords == "auto" else config.codewords
        centres_KD = unit_rows(kmeans(x_ND, codewords, seed=config.seed), "codeword").astype(np.float32)
        plan = WalkPlan.model_validate({name: getattr(config, name) for name in WalkPlan.model_fields})
        return Codebook(
            centres_MKC=centres_KD[None],
            fitted=Fitted(kind="kmeans", seed=config.seed, rows=len(x_ND)),
            walk=Walk(ends_KK=walk_ends(x_ND, centres_KD.astype(np.float64), plan).astype(np.float32), plan=plan),
        )


def walk_ends(x_ND: Floats, centres_KD: Floats, plan: WalkPlan) -> Floats:
    """Return P, the probabilities (K, K) of where a walk from each codeword ends.

    Args:
        x_ND: unit rows.
        centres_KD: unit codewords. One that is no row's neighbour is left by no walk, and reached by none.
        plan: of the walk.
    """
    shared_KK, held_K = np.zeros((len(centres_KD), len(centres_KD))), np.zeros(len(centres_KD))
    for start in range(0, len(x_ND), BLOCK):
        share_BK = _shares(x_ND[start : start + BLOCK] @ centres_KD.T, plan)
        shared_KK += share_BK.T @ share_BK
        held_K += share_BK.sum(axis=0)
    alone_K = held_K == 0
    shared_KK[alone_K, alone_K] = held_K[alone_K] = 1
    step_KK = shared_KK / held_K[:, None]
    return np.asarray((1 - plan.go_on) * np.linalg.inv(np.eye(len(step_KK)) - plan.go_on * step_KK)).clip(min=0)


def _shares(cosine_BK: Floats, plan: WalkPlan) -> Floats:
    """Return how rows are shared by their nearest codewords, (B, K), rows of sum 1; of equally near ones the first."""
    near_BS = np.argsort(-cosine_BK, axis=1, kind="stable")[:, : plan.neighbours]
    cosine_BS = np.take_along_axis(cosine_BK, near_BS, axis=1)
    weight_BS = np.exp((cosine_BS - cosine_BS[:, :1]) / plan.tau_graph)
    share_BK = np.zeros_like(cosine_BK)
    np.put_along_axis(share_BK, near_BS, weight_BS / weight_BS.sum(axis=1, keepdims=True), axis=1)
    return share_BK


def _enough(rows: int) -> int:
    return min(MOST_CODEWORDS, round(2 * math.sqrt(rows)), rows)
