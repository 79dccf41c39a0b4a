"""A ranking as tie groups: the one form from which every metric of this package is computed.

Items with equal scores have no order of their own; a metric that takes the order of the list reads whatever the list
happened to be sorted by, and published lists are sorted by class. So a ranking here is a sequence of *groups* of equal
scores, and metrics are expectations over the orders inside them.

Shape legend: B queries of a block, G gallery items, T groups that hold at least one relevant item (over all rows).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class RankedBlock:
    """The tie groups, best first, of a block of queries; groups without a relevant item are left out.

    Args:
        row_T: the query row that a group belongs to, ascending.
        before_T: gallery items ranked before the group.
        size_T: items in the group.
        hits_T: relevant items in the group, 1 or more.
        hits_before_T: relevant items ranked before the group.
        positives_B: relevant items in the whole gallery, a query.
        gallery_size: G.
        first_query: number of row 0 among all queries, so that random tie orders do not depend on the blocking.
    """

    row_T: Ints
    before_T: Ints
    size_T: Ints
    hits_T: Ints
    hits_before_T: Ints
    positives_B: Ints
    gallery_size: int
    first_query: int = 0

    @property
    def rows(self) -> int:
        """Queries in the block."""
        return len(self.positives_B)

    @property
    def mixed_T(self) -> Bools:
        """Groups in which relevant and other items tie: only there does the order inside a group matter."""
        return self.hits_T < self.size_T

    def sum_by_query(self, value_T: npt.NDArray[np.number | np.bool_]) -> Floats:
        """Sum a value over the groups of each query; shape (B,)."""
        sums = np.bincount(self.row_T, weights=value_T.astype(np.float64), minlength=self.rows)
        return sums.astype(np.float64)  # without any group bincount would give integers


def rank_block(score_BG: npt.ArrayLike, relevant_BG: npt.ArrayLike, *, first_query: int = 0) -> RankedBlock:
    """Sort a block of scores into tie groups.

    Args:
        score_BG: higher is better; compared as float64 without its last bit.
        relevant_BG: whether the item is of the query's class.
        first_query: number of the block's first query among all queries.

    Raises:
        ValueError: shapes differ, the gallery is empty, or a score is NaN.
    """
    scores, relevant = np.asarray(score_BG, np.float64), np.asarray(relevant_BG, bool)
    if scores.ndim != 2 or scores.shape != relevant.shape:
        raise ValueError(f"scores {scores.shape} and relevance {relevant.shape} must be one (queries, gallery) shape")
    rows, items = scores.shape
    if items == 0:
        raise ValueError("the gallery is empty")
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"query {first_query + row}: the score of gallery item {column} is NaN")

    # One 64-bit key an item: the descending score, its lowest bit "not relevant". A plain sort of keys is several
    # times faster than an argsort and puts the relevant items of a tie first, a form free of the list's order.
    key = _descending(scores)
    key &= ~np.uint64(1)
    key |= ~relevant
    key.sort(axis=1)
    begins = np.ones((rows, items), bool)
    np.greater(key[:, 1:] ^ key[:, :-1], 1, out=begins[:, 1:])
    start = np.flatnonzero(begins)
    size = np.diff(start, append=rows * items)
    key &= np.uint64(1)
    hits = size - np.add.reduceat(key.ravel(), start).astype(np.int64) if rows else size

    keep = hits > 0
    start, size, hits = start[keep], size[keep], hits[keep]
    row = start // items
    positives = relevant.sum(axis=1, dtype=np.int64)
    hits_before = np.cumsum(hits) - hits - (np.cumsum(positives) - positives)[row]
    return RankedBlock(
        row_T=row,
        before_T=start % items,
        size_T=size,
        hits_T=hits,
        hits_before_T=hits_before,
        positives_B=positives,
        gallery_size=items,
        first_query=first_query,
    )


def unordered(positives_B: npt.ArrayLike, gallery_size: int, *, first_query: int = 0) -> RankedBlock:
    """Return the ranking that says nothing: every item ties. Its expected metrics are the chance level."""
    positives = np.asarray(positives_B, np.int64)
    row = np.flatnonzero(positives)
    return RankedBlock(
        row_T=row,
        before_T=np.zeros_like(row),
        size_T=np.full_like(row, gallery_size),
        hits_T=positives[row],
        hits_before_T=np.zeros_like(row),
        positives_B=positives,
        gallery_size=gallery_size,
        first_query=first_query,
    )


def _descending(scores: Floats) -> npt.NDArray[np.uint64]:
    """Map float64 to uint64 so that the integers ascend where the floats descend (-0 counts as +0)."""
    bits = (scores + 0.0).view(np.uint64)
    positive = bits >> np.uint64(63) == 0
    np.invert(bits, out=bits, where=positive)
    bits &= ~(positive.astype(np.uint64) << np.uint64(63))
    return bits
