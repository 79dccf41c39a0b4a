"""Exact cosine search: every row is compared, and the answer does not depend on batching or sharding."""

import faiss
import numpy as np

# More than faiss's float32 inner product of two unit vectors can be off: with sums kept in 16 lanes the bound is
# (D / 16) * 2**-24, 2e-6 for D = 512.
SLACK = 1e-5
UNIT = 1e-3


class Nearest:
    """The k rows of largest cosine similarity, best first; rows of equal similarity in the order of their number.

    faiss (``IndexFlatIP``, blocked and threaded) picks candidates in float32. The candidates' scores are then computed
    in float64, each by itself, so that equal vectors score equally whatever else is in the batch or in the shard.

    Shape legend: N rows, B queries, D dimensions, K answers.
    """

    def __init__(self, embedding_ND: np.ndarray) -> None:
        """Take the gallery's vectors.

        Args:
            embedding_ND: unit rows, float32; copied.

        Raises:
            ValueError: not a matrix, or a row that is not of unit length.
        """
        if embedding_ND.ndim != 2 or embedding_ND.shape[1] == 0:
            raise ValueError(f"embeddings have shape {embedding_ND.shape}, not (rows, dimensions)")
        _check_unit(embedding_ND, "embedding")
        self._index = faiss.IndexFlatIP(embedding_ND.shape[1])
        self._index.add(np.ascontiguousarray(embedding_ND, dtype=np.float32))

    @property
    def rows(self) -> int:
        """Number of rows, N."""
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Number of dimensions, D."""
        return int(self._index.d)

    def search(self, query_BD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (score_BK float64, row_BK int64) with K = min(k, N).

        Args:
            query_BD: unit queries.
            k: number of answers wanted, at least 1.

        Raises:
            ValueError: k below 1, queries of another dimension, or a query that is not of unit length (a NaN is not).
        """
        if k < 1:
            raise ValueError(f"k is {k}; at least one answer must be asked for")
        if query_BD.ndim != 2 or query_BD.shape[1] != self.dimension:
            raise ValueError(f"queries have shape {query_BD.shape}; the gallery has {self.dimension} dimensions")
        _check_unit(query_BD, "query")
        query_BD = np.ascontiguousarray(query_BD, dtype=np.float32)
        k = min(k, self.rows)
        score_BK = np.empty((len(query_BD), k), dtype=np.float64)
        row_BK = np.empty((len(query_BD), k), dtype=np.int64)
        pending = np.arange(len(query_BD)) if k else np.arange(0)
        width = min(2 * k + 16, self.rows)
        while len(pending):
            coarse_PW, candidate_PW = self._index.search(query_BD[pending], width)
            again = []
            for place, query in enumerate(pending):
                score_K, row_K = self._rescore(query_BD[query], candidate_PW[place], k)
                score_BK[query], row_BK[query] = score_K, row_K
                # A row that faiss left out scores at most the last candidate's score, give or take the rounding.
                if width < self.rows and coarse_PW[place, -1] + SLACK >= score_K[-1]:
                    again.append(query)
            pending = np.array(again, dtype=np.int64)
            width = min(4 * width, self.rows)
        return score_BK, row_BK

    def _rescore(self, query_D: np.ndarray, candidate_W: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        vector_WD = self._index.reconstruct_batch(candidate_W).astype(np.float64)
        score_W = (vector_WD * query_D.astype(np.float64)).sum(axis=1)
        best_K = np.lexsort((candidate_W, -score_W))[:k]
        return score_W[best_K], candidate_W[best_K]


def _check_unit(vector_ND: np.ndarray, what: str) -> None:
    norm_N = np.sqrt(np.einsum("nd,nd->n", vector_ND, vector_ND, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(norm_N - 1) <= UNIT))
    if len(wrong):
        raise ValueError(f"{what} {wrong[0]} is not of unit length (its norm is {norm_N[wrong[0]]:.6g})")
