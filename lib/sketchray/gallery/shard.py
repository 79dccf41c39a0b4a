"""One shard in memory: search, thumbnails, vectors; and the merging of the shards' answers.

Shape legend: B queries, D dimensions, N rows, K answers.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from sketchray.gallery.codebooks import Codebooks
from sketchray.gallery.filters import Filter
from sketchray.gallery.part import Part, Request
from sketchray.gallery.references import CodebookName
from sketchray.ranking import manifold
from sketchray.ranking.matching import Fusion
from sketchray.ranking.nearest import check_queries, exact_scores

Ranking = Literal["nearest", CodebookName]
FUSION = {"cluster": 0.2, "mixture": 0.2, "manifold": manifold.FUSION}  # 0.2 is published in SBKA's test code


class Hit(NamedTuple):
    """One answer.

    Attributes:
        id: of the picture.
        score: higher is better; see `Shard.search`.
        uri: where the picture lies.
        label: its class, where the gallery knows one.
        metadata: its row of the gallery's metadata columns.
        similarity: the cosine of query and picture, whatever the score is.
    """

    id: str
    score: float
    uri: str
    label: str | None
    metadata: dict[str, Any]
    similarity: float


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
    """One shard's live rows in memory: the base segment and the deltas, each searched apart."""

    def __init__(self, parts: Sequence[Part], schema: pa.Schema, codebooks: Codebooks) -> None:
        """Take the segments.

        Args:
            parts: in any order; no id can be found in two of them.
            schema: of the gallery's rows, see `vector_schema`.
            codebooks: of the gallery; every part is coded by all of them.
        """
        self._parts, self._codebooks = [part for part in parts if part.rows], codebooks
        self._dimension = schema.field("embedding").type.list_size
        self._schema = schema.remove(schema.get_field_index("embedding"))

    @property
    def rows(self) -> int:
        """Number of pictures that can be found."""
        return sum(part.rows for part in self._parts)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The segments with rows that can be found."""
        return tuple(self._parts)

    @property
    def rankings(self) -> tuple[Ranking, ...]:
        """By what it can be searched."""
        return tuple(name for name in get_args(Ranking) if name == "nearest" or name in self._codebooks)

    def search(
        self,
        query_BD: np.ndarray,
        k: int,
        *,
        ranking: Ranking = "nearest",
        fusion: float | None = None,
        filter: Filter | None = None,
        min_score: float | None = None,
        effort: float = 1.0,
    ) -> list[list[Hit]]:
        """Return the best k rows of each query, best first, ties by id.

        ``nearest`` scores by cosine similarity. The others score by minus the fused distance, between -4 and 0, of
        `sketchray.ranking.matching.Fusion`: what one query's score means for another depends on the codebook, so a
        threshold for one ranking is none for another, nor for another version's codebook.

        Where a segment has no index, the answer is exact. Where it has one, scores are exact, and what is missed is
        the index's; where a filter leaves few rows, the answer is exact too.

        Args:
            query_BD: unit queries.
            k: number of answers wanted, at least 1; for a page with an offset, ask for offset and page together.
            ranking: by what.
            fusion: of a ranking with a codebook, the weight of the picture's own distance, 0 to 1; if not given 0.02 of
                ``manifold`` and 0.2 of the others.
            filter: rows that may be found; all if not given.
            min_score: hits of a smaller score, by the same ranking and fusion, are left out.
            effort: how hard approximate indices look, times what they were built with.

        Raises:
            ValueError: k below 1, queries that are not unit vectors of the gallery's dimension, an unknown ranking or
                one that the gallery has no codebook for, a fusion outside 0 to 1 or with ``nearest``, a threshold that
                is not a number, an effort that is not positive.
            FilterError: the filter does not fit the gallery's columns.
        """
        query_BD = check_queries(np.asarray(query_BD), self._dimension)
        if k < 1:
            raise ValueError(f"k is {k}; at least one answer must be asked for")
        if min_score is not None and math.isnan(min_score):
            raise ValueError("min_score is not a number")
        if not effort > 0:
            raise ValueError(f"effort is {effort}; it must be positive")
        if filter is not None:
            filter.check(self._schema)
        request = Request(
            query_BD=query_BD,
            k=k,
            codebook=self._codebook(ranking),
            fusion=_fusion(ranking, fusion),
            filter=filter,
            effort=effort,
        )
        answers = [part.search(request) for part in self._parts]
        least = -math.inf if min_score is None else min_score
        return [
            merge(
                (
                    self._hits(part, *answer[b], least, None if ranking == "nearest" else query_D)
                    for part, answer in zip(self._parts, answers, strict=True)
                ),
                k,
            )
            for b, query_D in enumerate(query_BD)
        ]

    def _codebook(self, ranking: Ranking) -> str | None:
        if ranking == "nearest":
            return None
        if ranking not in get_args(Ranking):
            raise ValueError(f"ranking {ranking!r} is none of {', '.join(get_args(Ranking))}")
        if ranking not in self._codebooks:
            known = ", ".join(["nearest", *self._codebooks])
            raise ValueError(f"this gallery has no codebook for {ranking} ranking; it can be ranked by: {known}")
        return ranking

    def _hits(
        self, part: Part, score_K: np.ndarray, row_K: np.ndarray, least: float, query_D: np.ndarray | None
    ) -> list[Hit]:
        """Return the answers of one part; the query is given where scores are not its cosines."""
        kept = score_K >= least
        score_K, row_K = score_K[kept], row_K[kept]
        cosine_K = score_K if query_D is None else exact_scores(query_D, part.embedding_ND[row_K])
        rows, hits = part.columns.take(row_K).to_pylist(), []
        for score, cosine, row in zip(score_K.tolist(), cosine_K.tolist(), rows, strict=True):
            sample_id, uri, label, _ = (row.pop(name) for name in ("id", "uri", "label", "etag"))
            hits.append(Hit(sample_id, score, uri, label, row, cosine))
        return hits

    def vector(self, sample_id: str) -> np.ndarray | None:
        """Return a picture's embedding (D,) float32, or None where this shard has no such picture."""
        for part in self._parts:
            row = part.find(sample_id)
            if row is not None:
                return np.array(part.embedding_ND[row])
        return None

    def thumbnail(self, sample_id: str) -> bytes | None:
        """Return a picture's small JPEG, or None where this shard has no such picture."""
        return next((jpeg for part in self._parts if (jpeg := part.thumbnail(sample_id)) is not None), None)


def _fusion(ranking: Ranking, fusion: float | None) -> Fusion:
    if ranking == "nearest":
        if fusion is not None:
            raise ValueError("fusion is of the rankings with a codebook; nearest has none")
        return Fusion(0.0)
    if fusion is None:
        return Fusion(FUSION[ranking])
    if not 0 <= fusion <= 1:
        raise ValueError(f"fusion is {fusion}, not a weight from 0 to 1")
    return Fusion(fusion)
