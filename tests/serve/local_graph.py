"""The whole query graph in this process, without Ray: real director, encoder and shards behind handles that just call.

What is tested on it is everything but Ray Serve; a test of some seconds becomes one of some milliseconds.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serve.director import Director
from serve.encoder import SketchEncoder
from serve.graph import Graph
from serve.plans import Report
from serve.releases import Releases
from serve.search import Searcher
from serve.shard import ShardGroup
from sketchray.storage import Store

POLL_S = 0.02


class Method:
    """A method of a handle.

    Args:
        replica: returns whatever answers now.
        name: of its method.
    """

    def __init__(self, replica: Callable[[], Any], name: str) -> None:
        self._replica = replica
        self._name = name

    async def remote(self, *arguments: Any) -> Any:
        """Call it."""
        return await getattr(self._replica(), self._name)(*arguments)


class Handle:
    """As much of a deployment handle as we use; ``replica`` can be exchanged."""

    def __init__(self, replica: Any = None) -> None:
        self.replica = replica

    def __getattr__(self, name: str) -> Any:
        return Method(lambda: self.replica, name)


class LocalGraph:
    """A running graph.

    Attributes:
        director, encoder, groups: their handles.
        releases, searcher: of one ingress.
    """

    def __init__(self, galleries: Sequence[str], groups: int) -> None:
        self.director, self.encoder, self.groups = Handle(), Handle(), [Handle() for _ in range(groups)]
        self.parts = {"encoder": self.encoder, **{f"shards-{n}": group for n, group in enumerate(self.groups)}}
        self.graph = Graph(self.encoder, self.groups)  # type: ignore[arg-type]
        self.releases = Releases(galleries)
        self.searcher = Searcher(self.graph, self.releases, pool=ThreadPoolExecutor(1), timeout_s=60)

    async def new_director(self, store: Store) -> None:
        """Start a director that knows nothing; the one before is gone."""
        director = Director.__new__(Director)
        await Director.__init__(
            director,
            store=store,
            galleries=self.releases.galleries,
            encoder="encoder",
            groups=list(self.parts)[1:],
            poll_s=POLL_S,
        )
        self.director.replica = director

    async def until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        """Be an ingress that reports and obeys, until something is so."""
        async with asyncio.timeout(seconds):
            while not true():
                await self.follow()
                await asyncio.sleep(POLL_S / 4)

    async def follow(self) -> None:
        """Report and obey once."""
        report = Report("ingress", active=self.releases.active, using=self.releases.using, replica="ingress-0")
        self.releases.obey(await self.director.report.remote(report))


@asynccontextmanager
async def local_graph(
    store: Store, galleries: Sequence[str], patch: pytest.MonkeyPatch, *, groups: int = 2
) -> AsyncIterator[LocalGraph]:
    """Start a graph over the galleries of a store; it answers from all of them."""
    local = LocalGraph(galleries, groups)
    names = itertools.count()
    patch.setattr("serve.follower.replica_id", lambda: str(next(names)))
    patch.setattr("serve.director.serve.get_deployment_handle", lambda name: local.parts[name])
    await local.new_director(store)
    director: Any = local.director
    encoder: Any = SketchEncoder.__new__(SketchEncoder)
    await SketchEncoder.__init__(
        encoder,
        director,
        store=store,
        threads=1,
        max_batch=4,
        poll_s=POLL_S,
    )
    local.encoder.replica = encoder
    for number, handle in enumerate(local.groups):
        group: Any = ShardGroup.__new__(ShardGroup)
        await ShardGroup.__init__(
            group,
            director,
            store=store,
            group=number,
            groups=groups,
            threads=1,
            poll_s=POLL_S,
        )
        handle.replica = group
    await local.until(lambda: len(local.releases.active) == len(galleries))
    yield local
