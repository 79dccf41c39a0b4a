"""Scores through a codebook: a query meets the codewords that stand for an item, and the item itself.

Shape legend: G gallery items, B queries of a block, T items of a tile, D dimensions, M chunks, K codewords.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sketchray.ranking.codebook import Codebook
from sketchray.ranking.scoring import CosineMatcher, Floats, Matcher

TieBreak = Literal["own", "none"]
CLUSTER_STEPS = 2.0**20  # in a unit of cluster distance, where the rest of the score's digits carry the own similarity
OWN_STEPS = 2.0**28  # in a unit of (1 + cosine) / 4: with a cluster distance of at most 4, 51 of the 53 digits are used
ROUNDING = 1e-12  # more than a fused distance can be off


@dataclass(frozen=True)
class Fusion:
    """How a score is made of an item's cluster distance and its own cosine.

    Minus the fused distance ``(1 - fusion) * cluster + fusion * own``, published as 0.8 / 0.2 in SBKA's test code.

    - cluster: ``sum_m ||q_m - c_m||^2``, squared, to the codewords that the item is coded by (ClusterRetri's score);
    - own: ``||q - x||``, not squared, as published, from the cosine in steps of 2^-32.

    With fusion 0 all items of one cluster are equally far. ``tie_break`` says what that means:

    - ``own`` orders them by own similarity: the score is minus the cluster distance in steps of 2^-20, plus less than
      half a step for the own similarity, (1 + cosine) / 4 in steps of 2^-28. What still ties is equal in its picture,
      and a search returns it in the order of the rows.
    - ``none`` leaves the ties, so that an evaluator can take their expectation, as for the pure cluster-then-retrieve
      of the paper. An order by the list would read the classes, by which published lists are sorted.
    """

    fusion: float
    tie_break: TieBreak = "own"

    def score(self, cluster: Floats, cosine: Floats) -> Floats:
        """Return the scores, of one shape with the distances and cosines; higher is better."""
        if self.fusion:
            own = np.sqrt(np.maximum(2 - 2 * cosine, 0))
            return -((1 - self.fusion) * cluster + self.fusion * own)
        if self.tie_break == "none":
            return -cluster
        own = np.rint((1 + cosine) / 4 * OWN_STEPS) / OWN_STEPS
        return np.asarray((own - np.rint(cluster * CLUSTER_STEPS)) / CLUSTER_STEPS)

    def least_cosine(self, cluster: Floats, score: float) -> Floats:
        """Return what cosine, give or take 1e-6, an item needs at least for a score; inf where none is enough.

        Args:
            cluster: distances of any shape.
            score: of `score`; -inf is reached by every item.
        """
        if self.fusion:
            rest = -score - (1 - self.fusion) * cluster + ROUNDING
            return np.where(rest < 0, np.inf, 1 - (np.maximum(rest, 0) / self.fusion) ** 2 / 2)
        if self.tie_break == "none":
            return np.where(-cluster < score, np.inf, -np.inf)
        own = score * CLUSTER_STEPS + np.rint(cluster * CLUSTER_STEPS)
        return np.where(own > 0.5, np.inf, 4 * own - 1)


class CodebookMatcher(Matcher):
    """The scores of `Fusion` against a whole gallery."""

    def __init__(self, gallery_GD: npt.ArrayLike, codebook: Codebook, *, fusion: float, tie_break: TieBreak) -> None:
        """Code the gallery.

        Raises:
            ValueError: the codebook has another dimension, or a row is zero or not finite.
        """
        self._cosine, self._codebook = CosineMatcher(gallery_GD), codebook
        self._fusion = Fusion(fusion, tie_break)
        self._codes_GM = codebook.encode(gallery_GD)

    @property
    def rows(self) -> int:
        return self._cosine.rows

    @property
    def dimension(self) -> int:
        return self._cosine.dimension

    def tiles(self, query_BD: Floats) -> Iterator[tuple[slice, Floats]]:
        distance_BMK = self._codebook.distances(query_BD)
        for tile, cosine_BT in self._cosine.tiles(query_BD):
            yield tile, self._fusion.score(self._cluster(distance_BMK, tile), cosine_BT)

    def _cluster(self, distance_BMK: Floats, tile: slice) -> Floats:
        """Sum the looked-up distances over the chunks, (B, T); exact, since all are multiples of 2^-32."""
        codes_TM = self._codes_GM[tile]
        total_BT = np.zeros((len(distance_BMK), len(codes_TM)))
        for chunk in range(codes_TM.shape[1]):
            total_BT += distance_BMK[:, chunk].take(codes_TM[:, chunk], axis=1)
        return total_BT
