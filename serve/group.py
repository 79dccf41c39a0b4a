"""The shards of one release that one replica holds, and the search of them.

Shape legend: B queries, D dimensions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from serve.release import Release
from sketchray.gallery import GalleryError, Hit, Ranking, Shard, merge, open_gallery, shard_of
from sketchray.gallery.filters import Filter
from sketchray.gallery.self_check import check_one_row, check_shard
from sketchray.storage import Store

DEEPER = 4  # times further down, where too few of a ranking's best are similar enough


class ShardQuery(NamedTuple):
    """One query.

    Attributes:
        vector_D: unit vector, float32.
        limit: hits wanted.
        ranking: by what.
        filter: pictures that may be found; None for all.
        min_similarity: cosine below which a picture is no hit, whatever the ranking; None for all.
    """

    vector_D: npt.NDArray[np.float32]
    limit: int
    ranking: Ranking = "nearest"
    filter: Filter | None = None
    min_similarity: float | None = None

    @property
    def kind(self) -> tuple[Ranking, Filter | None, float | None]:
        """What queries have in common that are searched for together."""
        return self.ranking, self.filter, self.min_similarity


class Group:
    """Some shards of a release.

    Args:
        parts: the shards by their number.
        shards: how many the release has in all.
    """

    def __init__(self, parts: dict[int, Shard], shards: int) -> None:
        self.parts = parts
        self.shards = shards

    def shard(self, picture_id: str) -> Shard | None:
        """Return the shard that a picture would be in, or None if it is not here."""
        return self.parts.get(shard_of(picture_id, self.shards))

    def search(self, queries: Sequence[ShardQuery]) -> list[list[Hit]]:
        """Answer queries of one kind: each one's best pictures of these shards, best first.

        Raises:
            ValueError: a query that does not fit the release.
        """
        query_BD = np.stack([query.vector_D for query in queries])
        most = max(query.limit for query in queries)
        found = [self._search_shard(shard, query_BD, most, queries[0]) for shard in self.parts.values()]
        return [merge((hits[b] for hits in found), query.limit) for b, query in enumerate(queries)]

    def check(self) -> None:
        """Look one row of every shard up by its own vector.

        Raises:
            GalleryError: it does not find itself.
        """
        for shard in self.parts.values():
            check_one_row(shard)

    def _search_shard(
        self, shard: Shard, query_BD: npt.NDArray[np.float32], k: int, kind: ShardQuery
    ) -> list[list[Hit]]:
        least = kind.min_similarity
        if kind.ranking == "nearest" or least is None:
            return shard.search(query_BD, k, ranking=kind.ranking, filter=kind.filter, min_score=least)
        depth = k  # a score by codebook says nothing of the cosine: go down until enough pictures are similar
        while True:
            found = shard.search(query_BD, depth, ranking=kind.ranking, filter=kind.filter)
            kept = [[hit for hit in hits if hit.similarity >= least][:k] for hits in found]
            if depth >= shard.rows or all(
                len(near) == k or len(hits) < depth for near, hits in zip(kept, found, strict=True)
            ):
                return kept
            depth *= DEEPER


def load_group(store: Store, release: Release, *, group: int, groups: int) -> Group:
    """Read a release's shards whose number modulo ``groups`` is ``group``, and check them.

    Raises:
        GalleryError: an object is not what the manifest says, or a shard does not find its own rows.
        StoreError: the store cannot be read.
    """
    gallery = open_gallery(store, release.gallery, release.version)
    shards = gallery.manifest.content.shards
    parts = {}
    for index in range(group, shards, groups):
        parts[index] = gallery.shard(index)
        try:
            check_shard(parts[index])
        except GalleryError as error:
            raise GalleryError(f"{gallery.store.uri}: shard {index} of {release.version}: {error}") from error
    return Group(parts, shards)
