"""Search of one segment's rows: exact, or with a faiss index that names candidates which the vectors then score.

Shape legend: B queries, D dimensions, N rows, C cells, W candidates, K answers.
"""

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from sketchray.gallery.index import search_parameters
from sketchray.ranking.cells import Rows
from sketchray.ranking.fused import Answer, FusedSearch, Mask
from sketchray.ranking.matching import Fusion
from sketchray.ranking.nearest import Nearest, check_queries, exact_scores
from sketchray.ranking.scoring import unit_rows

FEW = 16  # where less than this part of the rows may be found, they are compared one by one
MOST_EFFORT = 8.0  # times the index's own, where a filter leaves few rows in each of its lists
SEED = 256  # rows, at least, of the nearest cells that are compared one by one
GATHERED = 1024  # rows of open cells that are compared one by one


class Finder:
    """Nearest and fused search of some rows. Whatever is found has its exact score, and is ordered by it."""

    def __init__(self, embedding_ND: npt.NDArray[np.float32], index: faiss.Index | None = None) -> None:
        """Take the rows.

        Args:
            embedding_ND: unit vectors; kept as they are.
            index: over the same rows; None to search exactly.

        Raises:
            ValueError: a vector is not of unit length.
        """
        assert index is None or index.ntotal == len(embedding_ND)
        self._embedding_ND, self._index = embedding_ND, index
        self._exact = Nearest(embedding_ND)
        self._selects = index is not None and len(embedding_ND) > 0 and _selects(index)

    @property
    def uneven(self) -> float:
        """How far a row's length is from 1 at most."""
        return self._exact.uneven

    def nearest(self, query_BD: np.ndarray, k: int, *, allowed_N: Mask | None, effort: float) -> list[Answer]:
        """Return the best rows by cosine.

        Args:
            query_BD: unit queries.
            k: number of answers wanted.
            allowed_N: which rows may be found; None for all.
            effort: how hard the index looks, times its own.
        """
        count = self._count(allowed_N)
        if not self._indexed(allowed_N):
            return list(zip(*self._exact.search(query_BD, k, allowed_N=allowed_N), strict=True))
        query_BD = check_queries(query_BD, self._exact.dimension)
        answers: list[Answer] = []
        for query_D, row_W in zip(query_BD, self._candidates(query_BD, k, allowed_N, effort), strict=True):
            if len(row_W) < min(k, count):  # the lists looked into hold too few
                answers += zip(*self._exact.search(query_D[None], k, allowed_N=allowed_N), strict=True)
                continue
            score_W = exact_scores(query_D, self._embedding_ND[row_W])
            best_K = np.lexsort((row_W, -score_W))[:k]
            answers.append((score_W[best_K], row_W[best_K]))
        return answers

    def fused(
        self,
        fused: FusedSearch,
        query_BD: np.ndarray,
        k: int,
        fusion: Fusion,
        *,
        allowed_N: Mask | None,
        effort: float,
    ) -> list[Answer]:
        """Return the best rows by a codebook; arguments as of `nearest`.

        With an index they come out of the nearest cells and the nearest rows. A cell stays open as long as a row as
        near as the last of the nearest rows could be an answer; rows of open cells are compared one by one or, where
        they are many, the index is asked for the nearest of them.
        """
        if not self._indexed(allowed_N) or not self._selects:
            return fused.search(query_BD, k, fusion, allowed_N=allowed_N)
        query_BD = unit_rows(check_queries(query_BD, self._exact.dimension), "query")
        coarse_BD = query_BD.astype(np.float32)
        near = self._candidates(coarse_BD, k, allowed_N, effort)
        cluster_BC = fused.cells.distances(fused.codebook.distances(query_BD))
        answers = []
        for b, query_D in enumerate(coarse_BD):
            row_W = np.union1d(near[b], fused.seed(cluster_BC[b], max(SEED, 2 * k), allowed_N))
            score = fused.bound(query_D, row_W, cluster_BC[b], k, fusion)
            furthest = (self._embedding_ND[near[b]] @ query_D).min(initial=1.0)
            open_C = fusion.least_cosine(cluster_BC[b], score) <= furthest + fused.slack
            if fused.cells.sizes[open_C].sum() <= GATHERED:
                more = fused.cells.rows_of(np.flatnonzero(open_C))
                more = more if allowed_N is None else more[allowed_N[more]]
            else:
                open_N = open_C[fused.cells.of_rows]
                open_N = open_N if allowed_N is None else open_N & allowed_N
                more = self._candidates(query_D[None], k, open_N, effort)[0]
            row_W = np.union1d(row_W, more)
            candidates = row_W, self._embedding_ND[row_W] @ query_D
            answers.append(fused.best(query_BD[b], candidates, cluster_BC[b], k, fusion))
        return answers

    def _indexed(self, allowed_N: Mask | None) -> bool:
        """Return whether the index is asked: not where it cannot select, or few rows may be found."""
        if allowed_N is None:
            return self._index is not None and len(self._embedding_ND) > 0
        return self._selects and self._count(allowed_N) * FEW > len(allowed_N)

    def _count(self, allowed_N: Mask | None) -> int:
        return len(self._embedding_ND) if allowed_N is None else int(np.count_nonzero(allowed_N))

    def _candidates(self, query_BD: np.ndarray, k: int, allowed_N: Mask | None, effort: float) -> list[Rows]:
        """Return the rows that the index finds for each query: more than k, since its own scores are not exact."""
        assert self._index is not None
        count, selector = self._count(allowed_N), None
        width = min(3 * k + 32, count)
        if not width:
            return [np.empty(0, np.intp)] * len(query_BD)
        if allowed_N is not None:
            bits = np.packbits(allowed_N, bitorder="little")  # read by the selector until the search is done
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            effort *= min(MOST_EFFORT, len(allowed_N) / count)
        options: dict[str, Any] = {}
        if selector is not None or effort != 1:
            options["params"] = search_parameters(self._index, effort=effort, selector=selector)
        _, row_BW = self._index.search(query_BD, width, **options)
        return [row_W[row_W >= 0] for row_W in row_BW]


def _selects(index: faiss.Index) -> bool:
    """Return whether an index can be told which rows may be found: not every kind of faiss's can."""
    try:
        index.search(
            np.zeros((1, index.d), np.float32), 1, params=search_parameters(index, selector=faiss.IDSelectorAll())
        )
    except RuntimeError:
        return False
    return True
