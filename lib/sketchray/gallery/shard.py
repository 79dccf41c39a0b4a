"""One shard in memory: search, thumbnails, vectors; and the merging of the shards' answers.

Shape legend: B queries, D dimensions, N rows, K answers.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from sketchray.gallery.filters import Filter
from sketchray.gallery.segment import embedding_matrix
from sketchray.ranking.nearest import Nearest

Ranking = Literal["nearest", "cluster", "mixture"]


class Hit(NamedTuple):
    """One answer.

    Attributes:
        id: of the picture.
        score: higher is better; see `Shard.search`.
        uri: where the picture lies.
        label: its class, where the gallery knows one.
        metadata: its row of the gallery's metadata columns.
    """

    id: str
    score: float
    uri: str
    label: str | None
    metadata: dict[str, Any]


def merge(answers: Iterable[list[Hit]], k: int, *, offset: int = 0) -> list[Hit]:
    """Merge the shards' answers to one query: after the ``offset`` best the next k, by score and then by id.

    Args:
        answers: of every shard, asked for ``offset + k`` hits.
        k: hits wanted.
        offset: hits passed over, as those of the pages before.

    Raises:
        ValueError: a negative offset or k.
    """
    if k < 0 or offset < 0:
        raise ValueError(f"k is {k} and offset {offset}; neither may be negative")
    hits = (hit for answer in answers for hit in answer)
    return heapq.nsmallest(offset + k, hits, key=lambda hit: (-hit.score, hit.id))[offset:]


class Shard:
    """One shard's live rows in memory: base and deltas put together, sorted by id."""

    def __init__(self, rows: pa.Table, thumbnails: pa.Table) -> None:
        self._id: list[str] = rows["id"].to_pylist()
        self._columns = rows.drop_columns(["embedding"])
        self._embedding_ND = embedding_matrix(rows)
        self._nearest = Nearest(self._embedding_ND)
        self._jpeg = thumbnails["jpeg"]
        self._place = {sample_id: place for place, sample_id in enumerate(thumbnails["id"].to_pylist())}

    @property
    def rows(self) -> int:
        """Number of pictures that can be found."""
        return len(self._id)

    def search(
        self,
        query_BD: np.ndarray,
        k: int,
        *,
        ranking: Ranking = "nearest",
        fusion: float | None = None,
        filter: Filter | None = None,
        min_score: float | None = None,
    ) -> list[list[Hit]]:
        """Return the best k rows of each query, best first, ties by id.

        Args:
            query_BD: unit queries.
            k: number of answers wanted, at least 1.
            ranking: ``nearest`` scores by cosine similarity.
            fusion: of cluster and mixture ranking: the weight of the own distance.
            filter: rows that may be found; all if not given.
            min_score: hits of a smaller score are left out.

        Raises:
            ValueError: k below 1, queries that are not unit vectors of the gallery's dimension, or a ranking that the
                gallery has no codebook for.
            FilterError: the filter does not fit the gallery's columns.
        """
        if ranking != "nearest":
            raise ValueError(f"this gallery has no {ranking} codebook")
        place_N: Sequence[int] = range(self.rows)
        nearest = self._nearest
        if filter is not None:
            place_N = np.flatnonzero(filter.mask(self._columns)).tolist()
            nearest = Nearest(self._embedding_ND[list(place_N)])
        score_BK, row_BK = nearest.search(query_BD, k)
        return [
            [
                self._hit(place_N[row], score)
                for row, score in zip(rows, scores, strict=True)
                if min_score is None or score >= min_score
            ]
            for rows, scores in zip(row_BK.tolist(), score_BK.tolist(), strict=True)
        ]

    def _hit(self, row: int, score: float) -> Hit:
        values = self._columns.slice(row, 1).to_pylist()[0]
        values.pop("etag")
        return Hit(values.pop("id"), score, values.pop("uri"), values.pop("label"), values)

    def vector(self, sample_id: str) -> np.ndarray | None:
        """Return a picture's embedding (D,) float32, or None where this shard has no such picture."""
        if sample_id not in self._place:
            return None
        return np.array(self._embedding_ND[self._id.index(sample_id)])

    def thumbnail(self, sample_id: str) -> bytes | None:
        """Return a picture's small JPEG, or None where this shard has no such picture."""
        place = self._place.get(sample_id)
        return None if place is None else bytes(self._jpeg[place].as_py())
