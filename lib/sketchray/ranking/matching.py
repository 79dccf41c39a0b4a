"""Scores through a codebook: a query meets the codewords that stand for an item, and the item itself.

Shape legend: G gallery items, B queries of a block, T items of a tile, D dimensions, M chunks, K codewords.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from sketchray.ranking.codebook import Codebook
from sketchray.ranking.scoring import CosineMatcher, Floats, Matcher

TieBreak = Literal["own", "none"]
CLUSTER_STEPS = 2.0**20  # in a unit of cluster distance, where the rest of the score's digits carry the own similarity
OWN_STEPS = 2.0**28  # in a unit of (1 + cosine) / 4: with a cluster distance of at most 4, 51 of the 53 digits are used


class CodebookMatcher(Matcher):
    """Minus the fused distance ``(1 - fusion) * cluster + fusion * own``, published as 0.8 / 0.2 in SBKA's test code.

    - cluster: ``sum_m ||q_m - c_m||^2``, squared, to the codewords that the item is coded by (ClusterRetri's score);
    - own: ``||q - x||``, not squared, as published, from the cosine in steps of 2^-32.

    With fusion 0 all items of one cluster are equally far. ``tie_break`` says what that means:

    - ``own`` orders them by own similarity: the score is minus the cluster distance in steps of 2^-20, plus less than
      half a step for the own similarity, (1 + cosine) / 4 in steps of 2^-28. What still ties is equal in its picture,
      and a search returns it in the order of the rows.
    - ``none`` leaves the ties, so that an evaluator can take their expectation, as for the pure cluster-then-retrieve
      of the paper. An order by the list would read the classes, by which published lists are sorted.
    """

    def __init__(self, gallery_GD: npt.ArrayLike, codebook: Codebook, *, fusion: float, tie_break: TieBreak) -> None:
        """Code the gallery.

        Raises:
            ValueError: the codebook has another dimension, or a row is zero or not finite.
        """
        self._cosine, self._codebook = CosineMatcher(gallery_GD), codebook
        self._fusion, self._tie_break = fusion, tie_break
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
            yield tile, self._fused(self._cluster(distance_BMK, tile), cosine_BT)

    def _cluster(self, distance_BMK: Floats, tile: slice) -> Floats:
        """Sum the looked-up distances over the chunks, (B, T); exact, since all are multiples of 2^-32."""
        codes_TM = self._codes_GM[tile]
        total_BT = np.zeros((len(distance_BMK), len(codes_TM)))
        for chunk in range(codes_TM.shape[1]):
            total_BT += distance_BMK[:, chunk].take(codes_TM[:, chunk], axis=1)
        return total_BT

    def _fused(self, cluster_BT: Floats, cosine_BT: Floats) -> Floats:
        if self._fusion:
            own_BT = np.sqrt(np.maximum(2 - 2 * cosine_BT, 0))
            return -((1 - self._fusion) * cluster_BT + self._fusion * own_BT)
        if self._tie_break == "none":
            return -cluster_BT
        own_BT = np.rint((1 + cosine_BT) / 4 * OWN_STEPS) / OWN_STEPS
        return np.asarray((own_BT - np.rint(cluster_BT * CLUSTER_STEPS)) / CLUSTER_STEPS)
