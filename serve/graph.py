"""The query graph as its callers see it: one encoder, and a gallery whose shards are spread over some deployments.

Every call names the release that it is about, so an answer can never be put together from two. A call is one hop, and
calls that do not need one another's answer go at the same time.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from serve.group import ShardQuery
from serve.model import Parts
from serve.rasters import Raster, pack
from serve.release import Release, ReleaseInfo
from sketchray.gallery import Hit, merge, shard_of

Vector = npt.NDArray[np.float32]
ATTEMPTS = 3  # asking changes nothing, so a replica that died over a question is no reason not to ask another


class Graph:
    """Asks encoder and shards.

    Args:
        encoder: handle of the encoder deployment.
        groups: handles of the shard deployments; shard i of any release is in group i modulo their number.
    """

    def __init__(self, encoder: DeploymentHandle[Any], groups: Sequence[DeploymentHandle[Any]]) -> None:
        # Taken once: every look at a handle's method makes a new handle.
        self._embed = encoder.embed
        self._explain = encoder.explain
        self._search = [group.search for group in groups]
        self._vector = [group.vector for group in groups]
        self._thumbnail = [group.thumbnail for group in groups]

    async def embed(self, release: Release, image_HW: Raster) -> Vector:
        """Return the unit vector (D,) of a canonical sketch raster by the release's encoder."""
        vector_D: Vector = await ask(self._embed, release, pack(image_HW))
        return vector_D

    async def explain(self, release: Release, image_HW: Raster, picture_3HW: Raster) -> Parts:
        """Return which parts of a sketch and a picture matched, by the release's encoder."""
        parts: Parts = await ask(self._explain, release, image_HW, picture_3HW)
        return parts

    async def search(self, info: ReleaseInfo, query: ShardQuery) -> list[Hit]:
        """Return the best of all shards, best first, at most ``query.limit``."""
        used = self._search[: info.shards]
        answers: Iterable[list[Hit]] = await asyncio.gather(*(ask(search, info.release, query) for search in used))
        return merge(answers, query.limit)

    async def vector(self, info: ReleaseInfo, picture_id: str) -> Vector | None:
        """Return a picture's unit vector (D,), or None where the release has no such picture."""
        vector_D: Vector | None = await ask(self._vector[self._group(info, picture_id)], info.release, picture_id)
        return vector_D

    async def thumbnail(self, info: ReleaseInfo, picture_id: str) -> bytes | None:
        """Return a picture's JPEG thumbnail, or None where the release has no such picture."""
        jpeg: bytes | None = await ask(self._thumbnail[self._group(info, picture_id)], info.release, picture_id)
        return jpeg

    def _group(self, info: ReleaseInfo, picture_id: str) -> int:
        return shard_of(picture_id, info.shards) % len(self._search)


async def ask(method: DeploymentHandle[Any], *arguments: object) -> Any:
    """Return the answer of a replica, or of another one where it dies before it answers."""
    for _ in range(ATTEMPTS - 1):
        with suppress(RayActorError):
            return await method.remote(*arguments)
    return await method.remote(*arguments)


def mean_direction(vectors: Sequence[Vector]) -> Vector:
    """Return the unit vector (D,) between unit vectors (D,); one alone is returned as it is."""
    if len(vectors) == 1:
        return vectors[0]
    mean_D = np.mean(vectors, axis=0, dtype=np.float64)
    return np.asarray(mean_D / np.linalg.norm(mean_D), np.float32)
