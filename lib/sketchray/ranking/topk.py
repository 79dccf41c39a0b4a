"""The best k items of a gallery that is scored a tile at a time.

Shape legend: B queries, T items of a tile, K answers.
"""

import numpy as np
import numpy.typing as npt

from sketchray.ranking.scoring import Floats, Matcher, unit_rows

BLOCK = 256  # queries taken at a time: with the tile this bounds the scores held


class Search:
    """The `Searcher` of a prepared gallery: exact, in the order of the scores, then of the row."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    @property
    def rows(self) -> int:
        """Number of gallery items."""
        return self._matcher.rows

    @property
    def dimension(self) -> int:
        """Number of dimensions."""
        return self._matcher.dimension

    def search(self, query_BD: npt.NDArray[np.number], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (score_BK float64, row_BK int64) with K = min(k, rows).

        Raises:
            ValueError: k below 1, queries of another dimension, or a query that is zero or not finite.
        """
        if k < 1:
            raise ValueError(f"k is {k}; at least one answer must be asked for")
        query = unit_rows(query_BD, "query")
        if query.shape[1] != self.dimension:
            raise ValueError(f"queries have shape {query.shape}; the gallery has {self.dimension} dimensions")
        k = min(k, self.rows)
        score_BK, row_BK = np.empty((len(query), k)), np.empty((len(query), k), np.int64)
        for start in range(0, len(query), BLOCK):
            block = slice(start, start + BLOCK)
            score_BK[block], row_BK[block] = self._best(query[block], k)
        return score_BK, row_BK

    def _best(self, query_BD: Floats, k: int) -> tuple[np.ndarray, np.ndarray]:
        score_BK, row_BK = np.empty((len(query_BD), 0)), np.empty((len(query_BD), 0), np.int64)
        for tile, score_BT in self._matcher.tiles(query_BD):
            row_BT = np.broadcast_to(np.arange(tile.start, tile.stop), score_BT.shape)
            # What was kept stands in front and in order, so a stable sort leaves equal scores in the order of the row.
            scores, rows = np.concatenate([score_BK, score_BT], axis=1), np.concatenate([row_BK, row_BT], axis=1)
            best_BK = _first(scores, k)
            score_BK, row_BK = np.take_along_axis(scores, best_BK, axis=1), np.take_along_axis(rows, best_BK, axis=1)
        return score_BK, row_BK


def _first(score_BT: Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the columns of the k largest of each row, best first, equal ones in their order; (B, min(k, T))."""
    if k >= score_BT.shape[1]:
        return np.argsort(-score_BT, axis=1, kind="stable")
    last_B = np.partition(score_BT, -k, axis=1)[:, -k]
    columns = np.empty((len(score_BT), k), np.int64)
    for row, (scores, last) in enumerate(zip(score_BT, last_B, strict=True)):
        better, equal = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
        better = better[np.argsort(-scores[better], kind="stable")]
        columns[row] = np.concatenate([better, equal[: k - len(better)]])
    return columns
