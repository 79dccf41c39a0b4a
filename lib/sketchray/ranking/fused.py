"""Exact top-k by a codebook at the cost of a plain search.

All rows of a cell are equally far from the query but for their own distance, so a known score says what cosine a row of
each cell needs to beat it. Where only a few rows lie in cells that can still hold an answer, only those are looked at;
otherwise all rows are multiplied with the queries in float32, once for the whole batch, and compared with what their
cell needs. What is left is scored as `CodebookMatcher` does it.

Shape legend: N rows, B queries, D dimensions, T rows of a tile, C cells, S rows of a seed, W candidates, K answers.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sketchray.ranking.cells import Cells, Rows
from sketchray.ranking.codebook import Codebook
from sketchray.ranking.matching import Fusion
from sketchray.ranking.nearest import SLACK, check_queries
from sketchray.ranking.scoring import Floats, lengths, rounded, unit_rows

TILE = 1 << 15  # rows multiplied at a time
BLOCK = 64  # queries taken at a time
SEED = 1024  # rows, at least, whose scores say what is worth looking at
GATHERED = 16  # a search that leaves less than this part of the rows takes them out one by one
EXACT = 1 << 12  # rows taken to float64 at a time

Candidates = tuple[Rows, np.ndarray]  # rows and their cosines, float32
Mask = npt.NDArray[np.bool_]
Answer = tuple[Floats, Rows]
"""Scores and rows of one query, best first, equal scores in the order of the row."""


class FusedSearch:
    """Search of one gallery by the codewords of its rows and by the rows themselves."""

    def __init__(
        self, embedding_ND: npt.NDArray[np.float32], cells: Cells, codebook: Codebook, *, uneven: float = 0.0
    ) -> None:
        """Take the gallery.

        Args:
            embedding_ND: unit rows; kept as they are.
            cells: of the same rows.
            codebook: that the rows were coded by.
            uneven: how far a row's length is from 1 at most, beyond rounding.

        Raises:
            ValueError: the codebook has another dimension, or fewer codewords than the codes name.
        """
        if codebook.dimension != embedding_ND.shape[1] or codebook.codewords < cells.codewords:
            raise ValueError(
                f"rows of {embedding_ND.shape[1]} dimensions and {cells.codewords} codewords are not coded by a "
                f"codebook of {codebook.dimension} dimensions and {codebook.codewords} codewords"
            )
        assert len(cells.of_rows) == len(embedding_ND)
        self.embedding_ND, self.cells, self.codebook = embedding_ND, cells, codebook
        self.slack = SLACK + uneven  # of a cosine in float32

    def search(self, query_BD: np.ndarray, k: int, fusion: Fusion, *, allowed_N: Mask | None = None) -> list[Answer]:
        """Return the best min(k, rows allowed) of each query.

        Args:
            query_BD: unit queries.
            k: number of answers wanted, at least 1.
            fusion: how scores are made.
            allowed_N: which rows may be found; None for all.

        Raises:
            ValueError: k below 1, queries of another dimension, or a query that is not of unit length (a NaN is not).
        """
        if k < 1:
            raise ValueError(f"k is {k}; at least one answer must be asked for")
        query_BD = unit_rows(check_queries(query_BD, self.codebook.dimension), "query")
        if not len(self.embedding_ND):
            return [(np.empty(0), np.empty(0, np.intp))] * len(query_BD)
        answers: list[Answer] = []
        for start in range(0, len(query_BD), BLOCK):
            answers += self._search_block(query_BD[start : start + BLOCK], k, fusion, allowed_N)
        return answers

    def _search_block(self, query_BD: Floats, k: int, fusion: Fusion, allowed_N: Mask | None) -> list[Answer]:
        cluster_BC = self.cells.distances(self.codebook.distances(query_BD))
        coarse_BD = query_BD.astype(np.float32)
        found = self._allowed(coarse_BD, allowed_N)
        if found is None:
            found = self._reaching(coarse_BD, k, fusion, cluster_BC, allowed_N)
        return [
            self.best(query_D, candidates, cluster_C, k, fusion)
            for query_D, candidates, cluster_C in zip(query_BD, found, cluster_BC, strict=True)
        ]

    def _allowed(self, query_BD: np.ndarray, allowed_N: Mask | None) -> list[Candidates] | None:
        """Return all rows allowed and their cosines, for each query; None where they are many."""
        if allowed_N is None or np.count_nonzero(allowed_N) * GATHERED > len(allowed_N):
            return None
        row_W = np.flatnonzero(allowed_N)
        return [(row_W, cosine_W) for cosine_W in query_BD @ self.embedding_ND[row_W].T]

    def _reaching(
        self, query_BD: np.ndarray, k: int, fusion: Fusion, cluster_BC: Floats, allowed_N: Mask | None
    ) -> list[Candidates]:
        """Return the rows, and their cosines, that reach what their cell needs to be among the best k of a query."""
        least_BC = np.empty(cluster_BC.shape, np.float32)
        found: dict[int, Candidates] = {}
        for b, (query_D, cluster_C) in enumerate(zip(query_BD, cluster_BC, strict=True)):
            seed_S = self.seed(cluster_C, max(SEED, 2 * k), allowed_N)
            score = self.bound(query_D, seed_S, cluster_C, k, fusion)
            least_BC[b] = fusion.least_cosine(cluster_C, score) - self.slack
            cells = np.flatnonzero(least_BC[b] <= 1)
            if self.cells.sizes[cells].sum() * GATHERED <= len(self.embedding_ND):
                found[b] = self._gather(query_D, cells, least_BC[b], allowed_N)
        rest = [b for b in range(len(query_BD)) if b not in found]
        if rest:
            found |= zip(rest, self._scan(query_BD[rest], least_BC[rest], allowed_N), strict=True)
        return [found[b] for b in range(len(query_BD))]

    def seed(self, cluster_C: Floats, wanted: int, allowed_N: Mask | None) -> Rows:
        """Return so many rows of the nearest cells, or all that are allowed where there are fewer."""
        order_C = np.argsort(cluster_C, kind="stable")
        taken, last = np.empty(0, np.intp), 0
        while len(taken) < wanted and last < len(order_C):
            enough = int(np.searchsorted(np.cumsum(self.cells.sizes[order_C[last:]]), wanted - len(taken))) + 1
            rows = self.cells.rows_of(order_C[last : last + enough])
            taken = np.concatenate([taken, rows if allowed_N is None else rows[allowed_N[rows]]])
            last += enough
        return taken[:wanted]

    def bound(self, query_D: np.ndarray, seed_S: Rows, cluster_C: Floats, k: int, fusion: Fusion) -> float:
        """Return a score that at least k rows reach; -inf where there are fewer."""
        if len(seed_S) < k:
            return -np.inf
        cosine_S = (self.embedding_ND[seed_S] @ query_D).astype(np.float64) - self.slack
        score_S = fusion.score(cluster_C[self.cells.of_rows[seed_S]], cosine_S)
        return float(np.partition(score_S, -k)[-k])

    def _gather(self, query_D: np.ndarray, cells: Rows, least_C: np.ndarray, allowed_N: Mask | None) -> Candidates:
        rows = self.cells.rows_of(cells)
        rows = rows if allowed_N is None else rows[allowed_N[rows]]
        cosine = np.concatenate([self.embedding_ND[part] @ query_D for part in _blocks(rows)] or [np.empty(0)])
        reached = cosine >= least_C[self.cells.of_rows[rows]]
        return rows[reached], cosine[reached]

    def _scan(self, query_BD: np.ndarray, least_BC: np.ndarray, allowed_N: Mask | None) -> list[Candidates]:
        """As `_gather`, over all rows and for many queries."""
        kept: list[list[Candidates]] = [[] for _ in query_BD]
        need_T, reached_T = np.empty(TILE, np.float32), np.empty(TILE, np.bool_)
        for start in range(0, len(self.embedding_ND), TILE):
            cell_T = self.cells.of_rows[start : start + TILE]
            cosine_BT = query_BD @ self.embedding_ND[start : start + TILE].T
            need, reached = need_T[: len(cell_T)], reached_T[: len(cell_T)]
            for b, cosine_T in enumerate(cosine_BT):
                np.take(least_BC[b], cell_T, out=need, mode="clip")  # faster than "raise"; every cell is there
                np.greater_equal(cosine_T, need, out=reached)
                if allowed_N is not None:
                    reached &= allowed_N[start : start + TILE]
                rows = np.flatnonzero(reached)
                kept[b].append((rows + start, cosine_T[rows]))
        return [(np.concatenate([r for r, _ in parts]), np.concatenate([c for _, c in parts])) for parts in kept]

    def _narrow(self, row_W: Rows, cosine_W: np.ndarray, cluster_C: Floats, k: int, fusion: Fusion) -> Rows:
        """Return the rows that may be among the best k, as far as cosines in float32 tell."""
        if len(row_W) <= k:
            return row_W
        cluster_W, cosine_W = cluster_C[self.cells.of_rows[row_W]], cosine_W.astype(np.float64)
        reached = np.partition(fusion.score(cluster_W, cosine_W - self.slack), -k)[-k]
        near_W = fusion.score(cluster_W, cosine_W + self.slack) >= reached
        return np.asarray(row_W[near_W])

    def best(self, query_D: Floats, candidates: Candidates, cluster_C: Floats, k: int, fusion: Fusion) -> Answer:
        """Return the best k of some rows by their scores in float64; the query is of unit length, float64."""
        row_W = self._narrow(*candidates, cluster_C, k, fusion)
        cosine_W = np.concatenate([self._cosine(query_D, part) for part in _blocks(row_W)] or [np.empty(0)])
        score_W = fusion.score(cluster_C[self.cells.of_rows[row_W]], cosine_W)
        best_K = np.lexsort((row_W, -score_W))[:k]
        return score_W[best_K], row_W[best_K]

    def _cosine(self, query_D: Floats, row_W: Rows) -> Floats:
        vector_WD = self.embedding_ND[row_W]
        return rounded((vector_WD.astype(np.float64) * query_D).sum(axis=1) / lengths(vector_WD, "gallery"))


def _blocks(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), EXACT):
        yield rows[start : start + EXACT]
