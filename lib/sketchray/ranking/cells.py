"""The rows of a gallery by their cell: all rows that are coded by the same codewords, equally far from any query.

Shape legend: N rows, B queries, M chunks, K codewords of a chunk, C cells with a row in them.
"""

import numpy as np
import numpy.typing as npt

from sketchray.ranking.scoring import Floats

Rows = npt.NDArray[np.intp]


class Cells:
    """Which rows lie in which cell. It takes the place of the codes, 16 bytes a row."""

    def __init__(self, codes_NM: npt.NDArray[np.uint16]) -> None:
        """Take the codes, from `Codebook.encode`."""
        assert codes_NM.ndim == 2
        cell_N, base = np.zeros(len(codes_NM), np.int64), int(codes_NM.max(initial=0)) + 1
        for code_N in codes_NM.T:
            cell_N = np.unique(cell_N * base + code_N, return_inverse=True)[1]
        self._cell_N: Rows = cell_N.astype(np.intp)
        self._row_N: Rows = np.argsort(self._cell_N, kind="stable")
        self._size_C = np.bincount(self._cell_N)
        self._start_C = np.concatenate([np.zeros(1, np.intp), np.cumsum(self._size_C)])
        self._codes_CM = codes_NM[self._row_N[self._start_C[:-1]]]

    @property
    def of_rows(self) -> Rows:
        """The cell of each row, (N,)."""
        return self._cell_N

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """Rows in each cell, (C,)."""
        return self._size_C

    @property
    def codewords(self) -> int:
        """One more than the largest code: a codebook has at least that many codewords."""
        return int(self._codes_CM.max(initial=0)) + 1

    def rows_of(self, cells: Rows) -> Rows:
        """Return the rows of some cells, cell after cell."""
        parts = [self._row_N[self._start_C[cell] : self._start_C[cell + 1]] for cell in cells]
        return np.concatenate(parts) if parts else np.empty(0, np.intp)

    def distances(self, distance_BMK: Floats) -> Floats:
        """Return the cluster distance of every cell to each query, (B, C), from those of the codewords.

        Exact, since all of `Codebook.distances` are multiples of 2^-32.
        """
        total_BC = np.zeros((len(distance_BMK), len(self._size_C)))
        for chunk, code_C in enumerate(self._codes_CM.T):
            total_BC += distance_BMK[:, chunk].take(code_C, axis=1)
        return total_BC
