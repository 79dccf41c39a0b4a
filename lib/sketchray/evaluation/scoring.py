"""Similarity of query blocks to a whole gallery, without ever holding queries x gallery.

Shape legend: Q queries, B queries of a block, G gallery items, D dimensions.
"""

import numpy as np
import numpy.typing as npt

TILE = 8192  # gallery rows taken to float64 at a time
GRID = 2.0**32  # steps of the scores in a unit of cosine


class CosineScorer:
    """Cosine similarity, computed in float64 and rounded to steps of 2^-32.

    The rounding swallows the last digits of the product, which differ with the blocking, the place in the matrix and
    the number of threads: so any blocking gives the same scores, and equal pictures tie exactly. Codes of -1 and +1
    ranked by cosine are ranked by Hamming distance.

    Args:
        queries_QD, gallery_GD: any float type, any length but zero; the gallery may be a memory map.

    Raises:
        ValueError: dimensions differ, or a row is zero or not finite; the message names it.
    """

    def __init__(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike) -> None:
        self._queries = np.asarray(queries_QD)
        self._gallery = np.asanyarray(gallery_GD)
        for name, array in (("query", self._queries), ("gallery", self._gallery)):
            if array.ndim != 2 or array.dtype.kind not in "fiu":
                raise ValueError(f"{name} embeddings must be a matrix of numbers, got {array.dtype} {array.shape}")
        if self._queries.shape[1] != self._gallery.shape[1]:
            raise ValueError(
                f"query embeddings have {self._queries.shape[1]} dimensions, those of the gallery "
                f"{self._gallery.shape[1]}: were they made by one encoder?"
            )
        self._query_norms = _norms(self._queries, "query")
        self._gallery_norms = _norms(self._gallery, "gallery")

    def __call__(self, rows: slice) -> npt.NDArray[np.float64]:
        """Return the scores of some queries against the whole gallery; shape (B, G)."""
        queries_BD = self._queries[rows].astype(np.float64) / self._query_norms[rows, None]
        scores = np.empty((len(queries_BD), len(self._gallery)), np.float64)
        for start in range(0, len(self._gallery), TILE):
            tile = slice(start, start + TILE)
            scores[:, tile] = queries_BD @ self._gallery[tile].astype(np.float64).T / self._gallery_norms[tile]
        scores *= GRID
        np.rint(scores, out=scores)
        scores /= GRID
        return scores


def _norms(array_ND: npt.NDArray[np.number], name: str) -> npt.NDArray[np.float64]:
    norms = np.empty(len(array_ND))
    for start in range(0, len(array_ND), TILE):
        norms[start : start + TILE] = np.linalg.norm(array_ND[start : start + TILE].astype(np.float64), axis=1)
    unusable = np.flatnonzero(~((norms > 0) & np.isfinite(norms)))
    if len(unusable):
        row, count = unusable[0], len(unusable)
        raise ValueError(f"{name} embedding {row} is zero or not finite ({count} of {len(norms)} rows are)")
    return norms
