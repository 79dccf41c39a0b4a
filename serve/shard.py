"""A shard deployment: one part of a gallery version, its search and its thumbnails."""

import asyncio
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from ray import serve

from serve.threads import numeric_pool
from sketchray.gallery import Gallery, Hit

MAX_BATCH = 32


class ShardQuery(NamedTuple):
    """One query for the nearest ``limit`` pictures of a shard."""

    vector_D: npt.NDArray[np.float32]
    limit: int


class GalleryShard:
    """One replica of one shard.

    Args:
        gallery: a gallery version; versions never change, so a restarted replica serves the same pictures.
        index: which shard of it.
        threads: faiss threads of one replica.

    Raises:
        ValueError: an object of the shard is not what the manifest says.
    """

    def __init__(self, gallery: Gallery, *, index: int, threads: int) -> None:
        self._shard = gallery.shard(index)
        self._pool = numeric_pool("shard", threads)

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
    async def search(self, queries: list[ShardQuery]) -> list[list[Hit]]:
        """Return each query's nearest pictures of this shard, best first."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._search, queries)

    async def thumbnail(self, picture_id: str) -> bytes | None:
        """Return the JPEG thumbnail of a picture, or None if it is not in this shard."""
        return await asyncio.to_thread(self._shard.thumbnail, picture_id)

    def _search(self, queries: list[ShardQuery]) -> list[list[Hit]]:
        queries_BD = np.stack([query.vector_D for query in queries])
        found = self._shard.search(queries_BD, max(query.limit for query in queries))
        return [hits[: query.limit] for hits, query in zip(found, queries, strict=True)]
