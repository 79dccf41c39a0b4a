"""Manifold ranking over codewords: what a query is like spreads along the gallery itself.

A drawing lies beside the photographs, and which photographs of its thing it lies nearest to is half chance; photographs
of a thing lie close to one another. So an item counts for what the query finds where a random walk from the item leads
(manifold ranking, Zhou et al., NIPS 2003). The walks go over codewords that stand for the items, so each is one small
matrix, fitted once (anchor graphs: Liu et al., ICML 2010; for retrieval Xu et al., SIGIR 2011). Which rows a codeword
stands for is half chance too: so there are several walks, each over coarse codewords of its own, and their mean
(as of several clusterings: Strehl and Ghosh, JMLR 2002) joins the finer codewords that the items are coded by:

    Z     each row in parts of 1 to its ``neighbours`` nearest coarse codewords, as exp(cos / tau_graph)
    T     diag(Z' 1)^-1 Z' Z: from coarse codeword to coarse codeword by the rows that they share
    W     (1 - go_on) (I - go_on T)^-1: where a walk ends that goes on with this probability at each step
    A, B  how the rows of each codeword are parted among the coarse ones, and those of each coarse one among codewords
    P     the mean of A W B over the walks
    d_k   -2 tau log sum_j P_kj exp(-||q - c_j||^2 / (2 tau)), in place of an item's squared distance to its codeword k

P's rows sum to 1, so d_k is a mean of squared distances in which the least count most. The mean at a temperature, the
mean of walks over coarser codewords, and the item's own distance fused in as with the other codebooks, are ours.
Figures: ``benchmarks/quality.md``.

Shape legend: G gallery items, N rows fitted to, K codewords, L coarse codewords, D dimensions, B rows of a block, S
codewords of a row.
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

FUSION = 0.01  # of the own distance: more of it takes back what the walk gave
MOST_CODEWORDS = 1024  # that "auto" takes: the walk is a matrix of their square
BLOCK = 4096  # rows whose shares are held at a time

Labels = npt.NDArray[np.int64]


class ManifoldConfig(WalkPlan, FittedConfig):
    """The walks, and what every codebook ranking can be told."""

    fusion: float = Field(default=FUSION, ge=0, le=1)


class ManifoldRanker(FittedRanker):
    """k-means codewords of unit length, joined by walks."""

    def __init__(self, config: ManifoldConfig) -> None:
        self._config: ManifoldConfig = config

    def fit(self, gallery_GD: npt.ArrayLike) -> Codebook:
        config = self._config
        x_ND = sample_rows(as_vectors(gallery_GD, "gallery"), config.fit_rows, seed=config.seed)
        plan = WalkPlan.model_validate({name: getattr(config, name) for name in WalkPlan.model_fields})
        codewords = _enough(len(x_ND), plan) if config.codewords == "auto" else config.codewords
        centres_KD = _unit_codewords(x_ND, codewords, seed=config.seed).astype(np.float32)
        return Codebook(
            centres_MKC=centres_KD[None],
            fitted=Fitted(kind="kmeans", seed=config.seed, rows=len(x_ND)),
            walk=Walk(
                ends_KK=mean_ends(x_ND, centres_KD.astype(np.float64), plan, seed=config.seed).astype(np.float32),
                plan=plan,
            ),
        )


def mean_ends(x_ND: Floats, centres_KD: Floats, plan: WalkPlan, *, seed: int) -> Floats:
    """Return P, the probabilities (K, K) of which codeword a walk from each one ends at, as a mean of several walks.

    Args:
        x_ND: unit rows.
        centres_KD: unit codewords.
        plan: of the walks.
        seed: of the coarse codewords, and of those of the next walk one more.
    """
    coarse = math.ceil(len(centres_KD) / plan.finer)
    label_N, ends_KK = _nearest(x_ND, centres_KD), np.zeros((len(centres_KD), len(centres_KD)))
    for walk in range(plan.walks):
        coarse_LD = _unit_codewords(x_ND, coarse, seed=seed + walk)
        held_KL = np.zeros((len(centres_KD), coarse))
        np.add.at(held_KL, (label_N, _nearest(x_ND, coarse_LD)), 1)
        down_KL = _parted(held_KL, _nearest(centres_KD, coarse_LD))
        up_LK = _parted(held_KL.T, _nearest(coarse_LD, centres_KD))
        ends_KK += down_KL @ walk_ends(x_ND, coarse_LD, plan) @ up_LK / plan.walks
    return ends_KK


def walk_ends(x_ND: Floats, centres_LD: Floats, plan: WalkPlan) -> Floats:
    """Return W, the probabilities (L, L) of where one walk from each coarse codeword ends.

    Args:
        x_ND: unit rows.
        centres_LD: unit codewords. One that is no row's neighbour is left by no walk, and reached by none.
        plan: of the walk.
    """
    shared_LL, held_L = np.zeros((len(centres_LD), len(centres_LD))), np.zeros(len(centres_LD))
    for start in range(0, len(x_ND), BLOCK):
        share_BL = _shares(x_ND[start : start + BLOCK] @ centres_LD.T, plan)
        shared_LL += share_BL.T @ share_BL
        held_L += share_BL.sum(axis=0)
    alone_L = held_L == 0
    shared_LL[alone_L, alone_L] = held_L[alone_L] = 1
    step_LL = shared_LL / held_L[:, None]
    return np.asarray((1 - plan.go_on) * np.linalg.inv(np.eye(len(step_LL)) - plan.go_on * step_LL)).clip(min=0)


def _shares(cosine_BL: Floats, plan: WalkPlan) -> Floats:
    """Return how rows are shared by their nearest codewords, (B, L), rows of sum 1; of equally near ones the first."""
    near_BS = np.argsort(-cosine_BL, axis=1, kind="stable")[:, : plan.neighbours]
    cosine_BS = np.take_along_axis(cosine_BL, near_BS, axis=1)
    weight_BS = np.exp((cosine_BS - cosine_BS[:, :1]) / plan.tau_graph)
    share_BL = np.zeros_like(cosine_BL)
    np.put_along_axis(share_BL, near_BS, weight_BS / weight_BS.sum(axis=1, keepdims=True), axis=1)
    return share_BL


def _parted(held: Floats, nearest: Labels) -> Floats:
    """Return counts by row as shares of 1; a row without any belongs to its nearest alone."""
    held = held.copy()
    empty = np.flatnonzero(held.sum(axis=1) == 0)
    held[empty, nearest[empty]] = 1
    return np.asarray(held / held.sum(axis=1, keepdims=True))


def _nearest(x_ND: Floats, centres_KD: Floats) -> Labels:
    """Return the number of each unit row's nearest codeword, (N,); of equally near ones the first."""
    blocks = range(0, len(x_ND), BLOCK)
    return np.concatenate([(x_ND[start : start + BLOCK] @ centres_KD.T).argmax(axis=1) for start in blocks])


def _unit_codewords(x_ND: Floats, codewords: int, *, seed: int) -> Floats:
    return unit_rows(kmeans(x_ND, codewords, seed=seed), "codeword")


def _enough(rows: int, plan: WalkPlan) -> int:
    """Return how many codewords so many rows want: no more than stand for two rows each."""
    return max(1, min(MOST_CODEWORDS, round(2 * plan.finer * math.sqrt(rows)), rows // 2))
