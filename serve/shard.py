"""A shard deployment: its group of every release's shards, their search and their thumbnails."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ray.serve.handle import DeploymentHandle

from serve.batching import Batcher
from serve.follower import Follower
from serve.group import Group, ShardQuery, load_group
from serve.holding import Holding
from serve.metrics import BATCH_SIZE
from serve.plans import Held, Plan, Report
from serve.release import Release
from serve.threads import numeric_pool
from sketchray.gallery import Hit, Ranking
from sketchray.gallery.filters import Filter
from sketchray.storage import Store

MAX_BATCH = 32
Vector = npt.NDArray[np.float32]


class _Alike(NamedTuple):
    release: Release
    kind: tuple[Ranking, Filter | None, float | None]


class ShardGroup:
    """One replica of one group of shards.

    Args:
        director: its handle.
        store: where the galleries are.
        group, groups: it holds every shard whose number modulo ``groups`` is ``group``.
        threads: faiss threads of one replica.
        poll_s: seconds between two reports.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, director: DeploymentHandle[Any], *, store: Store, group: int, groups: int, threads: int, poll_s: float
    ) -> None:
        self.part = f"shards-{group}"
        self._pool = numeric_pool("shard", threads)
        self._holding = Holding(self.part, lambda release: load_group(store, release, group=group, groups=groups))
        self._batcher = Batcher(self._search, max_size=MAX_BATCH)
        self._follower = Follower(director, poll_s=poll_s, report=self._report, obey=self._obey)
        await self._follower.start()
        await self._holding.whole()  # nobody is sent here before

    async def search(self, release: Release, query: ShardQuery) -> list[Hit]:
        """Return the best pictures of these shards, best first.

        Raises:
            NotHeldError: the release is not here and cannot be loaded.
            ValueError: a query that does not fit the release.
        """
        return await self._batcher.ask(_Alike(release, query.kind), query)

    async def vector(self, release: Release, picture_id: str) -> Vector | None:
        """Return a picture's unit vector (D,), or None if it is not in these shards."""
        shard = (await self._holding.get(release)).shard(picture_id)
        return None if shard is None else shard.vector(picture_id)

    async def thumbnail(self, release: Release, picture_id: str) -> bytes | None:
        """Return the JPEG thumbnail of a picture, or None if it is not in these shards."""
        shard = (await self._holding.get(release)).shard(picture_id)
        return None if shard is None else shard.thumbnail(picture_id)

    async def check_health(self) -> None:
        """Look a row of every release up by its own vector; Serve replaces a replica in which that fails."""
        for group in self._holding.held.values():
            await asyncio.get_running_loop().run_in_executor(self._pool, group.check)

    async def _search(self, alike: _Alike, queries: Sequence[ShardQuery]) -> list[list[Hit]]:
        BATCH_SIZE.observe(len(queries))
        group: Group = await self._holding.get(alike.release)
        return await asyncio.get_running_loop().run_in_executor(self._pool, group.search, queries)

    async def _obey(self, plan: Plan) -> None:
        await self._holding.obey(plan.hold)

    def _report(self) -> Report:
        held = tuple(Held(release) for release in self._holding.held)
        return Report(self.part, held=held, failed=self._holding.failed)
