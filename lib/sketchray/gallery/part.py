"""One segment of a shard in memory, its live rows alone to be found.

Shape legend: N rows, B queries, D dimensions, M chunks, K answers.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sketchray.gallery.filters import Filter
from sketchray.gallery.finding import Finder
from sketchray.ranking.cells import Cells
from sketchray.ranking.codebook import Codebook, Codes
from sketchray.ranking.fused import Answer, FusedSearch, Mask
from sketchray.ranking.matching import Fusion


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a search asks of every segment.

    Attributes:
        query_BD: unit vectors.
        k: answers wanted.
        codebook: the ranking's; None for nearest.
        fusion: of a ranking with a codebook.
        filter: rows that may be found; None for all.
        effort: of an approximate index, times its own.
    """

    query_BD: npt.NDArray[np.float32]
    k: int
    codebook: str | None
    fusion: Fusion
    filter: Filter | None
    effort: float


class Part:
    """The rows of a segment in the order of their ids."""

    def __init__(
        self,
        columns: pa.Table,
        embedding_ND: npt.NDArray[np.float32],
        thumbnails: pa.Table,
        codes: Mapping[str, tuple[Codebook, Codes]],
        *,
        index: faiss.Index | None = None,
        live_N: Mask | None = None,
    ) -> None:
        """Take the rows.

        Args:
            columns: all columns but the embedding.
            embedding_ND: unit vectors of the same rows; kept as they are.
            thumbnails: ids and JPEGs, in the order of the ids; of these rows at least.
            codes: a codebook and the rows' codes (N, M) by it, for each ranking that has one.
            index: over all of the rows; None to search exactly.
            live_N: which rows may be found at all; None for all.

        Raises:
            ValueError: a vector is not of unit length, or codes are not the codebook's.
        """
        self.columns = columns.combine_chunks()  # rows are taken out of it for every answer
        self.embedding_ND, self.live_N = embedding_ND, live_N
        self._id, self._pictured = (table["id"].combine_chunks() for table in (self.columns, thumbnails))
        self._jpeg = thumbnails["jpeg"]
        self._finder = Finder(embedding_ND, index)
        self._fused = {
            name: FusedSearch(embedding_ND, Cells(codes_NM), codebook, uneven=self._finder.uneven)
            for name, (codebook, codes_NM) in codes.items()
        }

    @property
    def ids(self) -> pa.ChunkedArray:
        """The ids that can be found."""
        ids = self.columns["id"]
        return ids if self.live_N is None else ids.filter(pa.array(self.live_N))

    @property
    def rows(self) -> int:
        """Number of rows that can be found."""
        return len(self._id) if self.live_N is None else int(np.count_nonzero(self.live_N))

    def find(self, sample_id: str) -> int | None:
        """Return the row of an id, or None where it cannot be found here."""
        row = _place(self._id, sample_id)
        return row if row is None or self.live_N is None or self.live_N[row] else None

    def thumbnail(self, sample_id: str) -> bytes | None:
        """Return the JPEG of an id, or None where it cannot be found here."""
        if self.find(sample_id) is None:
            return None
        place = _place(self._pictured, sample_id)
        assert place is not None, "every row has a thumbnail"
        return bytes(self._jpeg[place].as_py())

    def search(self, request: Request) -> list[Answer]:
        """Return (scores, rows) of each query, best first, equal scores in the order of the id; at most k."""
        allowed_N = self.live_N
        if request.filter is not None:
            matching_N = request.filter.mask(self.columns)
            allowed_N = matching_N if allowed_N is None else matching_N & allowed_N
        query_BD, k, effort = request.query_BD, request.k, request.effort
        if request.codebook is None:
            return self._finder.nearest(query_BD, k, allowed_N=allowed_N, effort=effort)
        fused = self._fused[request.codebook]
        return self._finder.fused(fused, query_BD, k, request.fusion, allowed_N=allowed_N, effort=effort)


def _place(ids: pa.Array, sample_id: str) -> int | None:
    """Return where an id stands among sorted ones."""
    place = bisect_left(range(len(ids)), sample_id, key=lambda place: str(ids[place].as_py()))
    return place if place < len(ids) and ids[place].as_py() == sample_id else None
