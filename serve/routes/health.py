"""``/healthz`` and ``/readyz``, for whoever keeps the endpoint up. They never need a key.

So what `/readyz` costs must not depend on how often it is asked: a replica sends one probe at a time, and what it found
holds for a second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from serve.errors import ProblemError
from serve.models import Alive, Ready
from serve.openapi import problems
from serve.search import Searcher

FRESH_S = 1.0


class Probe:
    """The last answer of a probe, as long as it is fresh.

    Args:
        ask: sends the probe.
        clock: seconds that never go back.
    """

    def __init__(self, ask: Callable[[], Awaitable[Ready]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._one = asyncio.Lock()
        self._until = float("-inf")
        self._found: Ready | ProblemError | None = None

    async def __call__(self) -> Ready:
        """Return what the probe found.

        Raises:
            ProblemError: as the probe does.
        """
        async with self._one:
            if self._found is None or self._clock() >= self._until:
                try:
                    self._found = await self._ask()
                except ProblemError as problem:
                    self._found = problem
                self._until = self._clock() + FRESH_S
            if isinstance(self._found, ProblemError):
                raise self._found.with_traceback(None)
            return self._found


def add_health(app: FastAPI, searcher: Searcher) -> None:
    """Add the routes.

    Args:
        app: gets them.
        searcher: is asked whether it could answer.
    """

    probe = Probe(searcher.ready)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> Alive:
        """Tell that this process answers."""
        return Alive()

    @app.get("/readyz", tags=["health"], responses=problems(503))
    async def readyz() -> Ready:
        """Send a probe through the encoder and every shard, and tell what is served."""
        return await probe()
