"""Exact cosine search: every row is compared, and the answer does not depend on batching or sharding."""

import faiss
import numpy as np
import numpy.typing as npt

# More than faiss's float32 inner product of two unit vectors can be off: with sums kept in 16 lanes the bound is
# (D / 16) * 2**-24, 2e-6 for D = 512.
SLACK = 1e-5
UNIT = 1e-3


class Nearest:
    """The k rows of largest cosine similarity, best first; rows of equal similarity in the order of their number.

    faiss (the search of its ``IndexFlatIP``) picks candidates in float32. The candidates' scores are then computed
    in float64, each by itself, so that equal vectors score equally whatever else is in the batch or in the shard.

    Shape legend: N rows, B queries, D dimensions, K answers.
    """

    def __init__(self, embedding_ND: np.ndarray) -> None:
        """Take the gallery's vectors.

        Args:
            embedding_ND: unit rows; kept as they are if they are float32 and contiguous, so they must not change.

        Raises:
            ValueError: not a matrix, or a row that is not of unit length.
        """
        if embedding_ND.ndim != 2 or embedding_ND.shape[1] == 0:
            raise ValueError(f"embeddings have shape {embedding_ND.shape}, not (rows, dimensions)")
        self.uneven = check_unit(embedding_ND, "embedding")
        self._embedding_ND = np.ascontiguousarray(embedding_ND, dtype=np.float32)

    @property
    def rows(self) -> int:
        """Number of rows, N."""
        return len(self._embedding_ND)

    @property
    def dimension(self) -> int:
        """Number of dimensions, D."""
        return int(self._embedding_ND.shape[1])

    def search(
        self, query_BD: np.ndarray, k: int, *, allowed_N: npt.NDArray[np.bool_] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (score_BK float64, row_BK int64) with K = min(k, rows that are allowed).

        Args:
            query_BD: unit queries.
            k: number of answers wanted, at least 1.
            allowed_N: which rows may be found; None for all.

        Raises:
            ValueError: k below 1, queries of another dimension, or a query that is not of unit length (a NaN is not).
        """
        if k < 1:
            raise ValueError(f"k is {k}; at least one answer must be asked for")
        query_BD = check_queries(query_BD, self.dimension)
        count = self.rows if allowed_N is None else int(np.count_nonzero(allowed_N))
        k = min(k, count)
        score_BK = np.empty((len(query_BD), k), dtype=np.float64)
        row_BK = np.empty((len(query_BD), k), dtype=np.int64)
        pending = np.arange(len(query_BD)) if k else np.arange(0)
        width = min(2 * k + 16, count)
        while len(pending):
            coarse_PW, candidate_PW = self._candidates(query_BD[pending], width, allowed_N)
            again = []
            for place, query in enumerate(pending):
                score_K, row_K = self._rescore(query_BD[query], candidate_PW[place], k)
                score_BK[query], row_BK[query] = score_K, row_K
                # A row that faiss left out scores at most the last candidate's score, give or take the rounding.
                if width < count and coarse_PW[place, -1] + SLACK >= score_K[-1]:
                    again.append(query)
            pending = np.array(again, dtype=np.int64)
            width = min(4 * width, count)
        return score_BK, row_BK

    def _candidates(
        self, query_BD: np.ndarray, width: int, allowed_N: npt.NDArray[np.bool_] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (score_BW float32, row_BW) of the best allowed rows by faiss, best first."""
        score_BW = np.empty((len(query_BD), width), np.float32)
        row_BW = np.empty((len(query_BD), width), np.int64)
        bits = None if allowed_N is None else np.packbits(allowed_N, bitorder="little")
        selector = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        pointers = (faiss.swig_ptr(array) for array in (query_BD, self._embedding_ND, score_BW, row_BW))
        query, embedding, score, row = pointers
        faiss.knn_inner_product(query, embedding, self.dimension, len(query_BD), self.rows, width, score, row, selector)
        return score_BW, row_BW

    def _rescore(self, query_D: np.ndarray, candidate_W: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        score_W = exact_scores(query_D, self._embedding_ND[candidate_W])
        best_K = np.lexsort((candidate_W, -score_W))[:k]
        return score_W[best_K], candidate_W[best_K]


def exact_scores(query_D: np.ndarray, vector_WD: np.ndarray) -> npt.NDArray[np.float64]:
    """Return the inner products in float64, each a function of its own two vectors alone."""
    return np.asarray((vector_WD.astype(np.float64) * query_D.astype(np.float64)).sum(axis=1))


def check_queries(query_BD: np.ndarray, dimension: int) -> npt.NDArray[np.float32]:
    """Return queries as float32, contiguous.

    Raises:
        ValueError: queries of another dimension, or one that is not of unit length (a NaN is not).
    """
    if query_BD.ndim != 2 or query_BD.shape[1] != dimension:
        raise ValueError(f"queries have shape {query_BD.shape}; the gallery has {dimension} dimensions")
    check_unit(query_BD, "query")
    return np.ascontiguousarray(query_BD, dtype=np.float32)


def check_unit(vector_ND: np.ndarray, what: str) -> float:
    """Refuse rows that are not of unit length, and return how far a length is from 1 at most.

    Raises:
        ValueError: the message names the first.
    """
    norm_N = np.sqrt(np.einsum("nd,nd->n", vector_ND, vector_ND, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(norm_N - 1) <= UNIT))
    if len(wrong):
        raise ValueError(f"{what} {wrong[0]} is not of unit length (its norm is {norm_N[wrong[0]]:.6g})")
    return float(np.abs(norm_N - 1).max(initial=0))
