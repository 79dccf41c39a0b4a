"""Scores of query blocks against a whole gallery, without ever holding queries x gallery.

Shape legend: Q queries, B queries of a block, G gallery items, T items of a tile, N rows of either, D dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Scorer = Callable[[slice], Floats]
"""Gives the scores of a slice of the queries against the whole gallery, shape (B, G), higher is better."""

TILE = 8192  # gallery rows taken to float64 at a time
GRID = 2.0**32  # steps of the scores in a unit of cosine


class Matcher(ABC):
    """The gallery's side of a ranking, prepared once: it scores any query against every item, a tile after another.

    A score is a function of the query, the item and the codebook alone. It does not depend on the block, on the tile
    or on what else is in the gallery, so lists of several shards may be merged by it.
    """

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of gallery items, G."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of dimensions, D."""

    @abstractmethod
    def tiles(self, query_BD: Floats) -> Iterator[tuple[slice, Floats]]:
        """Yield (slice of the gallery, scores (B, T)) from its first item to its last.

        Args:
            query_BD: unit rows in float64.
        """


class MatcherScorer:
    """The `Scorer` of some queries and a prepared gallery."""

    def __init__(self, queries_QD: npt.ArrayLike, matcher: Matcher) -> None:
        """Check the queries.

        Raises:
            ValueError: dimensions differ, or a query is zero or not finite; the message names it.
        """
        self._queries, self._matcher = as_vectors(queries_QD, "query"), matcher
        if self._queries.shape[1] != matcher.dimension:
            raise ValueError(
                f"query embeddings have {self._queries.shape[1]} dimensions, those of the gallery "
                f"{matcher.dimension}: were they made by one encoder?"
            )
        self._norms = lengths(self._queries, "query")

    def __call__(self, rows: slice) -> Floats:
        """Return the scores of some queries against the whole gallery; shape (B, G)."""
        query_BD = self._queries[rows].astype(np.float64) / self._norms[rows, None]
        scores = np.empty((len(query_BD), self._matcher.rows), np.float64)
        for tile, score_BT in self._matcher.tiles(query_BD):
            scores[:, tile] = score_BT
        return scores


class CosineMatcher(Matcher):
    """Cosine similarity, computed in float64 and rounded to steps of 2^-32.

    The rounding swallows the last digits of the product, which differ with the blocking, the place in the matrix and
    the number of threads: so any blocking gives the same scores, and equal pictures tie exactly. Codes of -1 and +1
    ranked by cosine are ranked by Hamming distance.
    """

    def __init__(self, gallery_GD: npt.ArrayLike) -> None:
        """Take the gallery: any float type, any length but zero; it may be a memory map and is not copied.

        Raises:
            ValueError: not a matrix of numbers, or a row is zero or not finite; the message names it.
        """
        self._gallery = as_vectors(gallery_GD, "gallery")
        self._norms = lengths(self._gallery, "gallery")

    @property
    def rows(self) -> int:
        return len(self._gallery)

    @property
    def dimension(self) -> int:
        return int(self._gallery.shape[1])

    def tiles(self, query_BD: Floats) -> Iterator[tuple[slice, Floats]]:
        for start in range(0, len(self._gallery), TILE):
            tile = slice(start, min(start + TILE, len(self._gallery)))
            yield tile, rounded(query_BD @ self._gallery[tile].astype(np.float64).T / self._norms[tile])


class CosineScorer(MatcherScorer):
    """Cosine similarity of queries and gallery; see `CosineMatcher`.

    Args:
        queries_QD, gallery_GD: any float type, any length but zero; the gallery may be a memory map.

    Raises:
        ValueError: dimensions differ, or a row is zero or not finite; the message names it.
    """

    def __init__(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike) -> None:
        super().__init__(queries_QD, CosineMatcher(gallery_GD))


def rounded(value: Floats) -> Floats:
    """Round to the steps of 2^-32, in place."""
    value *= GRID
    np.rint(value, out=value)
    value /= GRID
    return value


def as_vectors(array_ND: npt.ArrayLike, name: str) -> npt.NDArray[np.number]:
    """Return a matrix of numbers as it is, or say what it is instead (ValueError)."""
    array = np.asanyarray(array_ND)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(f"{name} embeddings must be a matrix of numbers, got {array.dtype} {array.shape}")
    return array


def lengths(array_ND: npt.NDArray[np.number], name: str) -> Floats:
    """Return the Euclidean length of each row; ValueError names the first row that is zero or not finite."""
    norms = np.empty(len(array_ND))
    for start in range(0, len(array_ND), TILE):
        norms[start : start + TILE] = np.linalg.norm(array_ND[start : start + TILE].astype(np.float64), axis=1)
    unusable = np.flatnonzero(~((norms > 0) & np.isfinite(norms)))
    if len(unusable):
        row, count = unusable[0], len(unusable)
        raise ValueError(f"{name} embedding {row} is zero or not finite ({count} of {len(norms)} rows are)")
    return norms


def unit_rows(array_ND: npt.ArrayLike, name: str) -> Floats:
    """Return the rows at unit length, float64.

    Raises:
        ValueError: as `as_vectors` and `lengths`.
    """
    array = as_vectors(array_ND, name)
    return np.asarray(array.astype(np.float64) / lengths(array, name)[:, None])
