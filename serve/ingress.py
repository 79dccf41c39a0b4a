"""The ingress deployment: the HTTP API with the page mounted in it, the same in every replica."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.follower import Follower
from serve.graph import Graph
from serve.plans import Plan, Report
from serve.releases import Releases
from serve.settings import ServeArgs

PART = "ingress"
FIRST_S = 30.0  # that a replica waits for releases before questions are sent to it
BRIEFLY_S = 0.05


@serve.ingress()
class Ingress:
    """One replica of the front: decodes, rasterises, fans out, merges; keeps nothing between requests.

    Args:
        director, encoder: handles of these deployments.
        groups: handles of the shard deployments, in order.
        settings: of the application.
        attribution: text of ``/attribution``, or None.
        limiter: handle of the rate limiter's deployment; None where ``auth`` is open.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        director: DeploymentHandle[Any],
        encoder: DeploymentHandle[Any],
        groups: list[DeploymentHandle[Any]],
        *,
        settings: ServeArgs,
        attribution: str | None,
        limiter: DeploymentHandle[Any] | None = None,
    ) -> None:
        self.graph = Graph(encoder, groups)
        self.releases = Releases(settings.galleries)
        self.settings = settings
        self.attribution = attribution
        self.limiter = limiter
        self._follower = Follower(director, poll_s=settings.poll_s, report=self._report, obey=self._obey)
        await self._follower.start()
        with suppress(TimeoutError):  # then it says itself that it has nothing to answer from
            async with asyncio.timeout(FIRST_S):
                while not self.releases.known:
                    await asyncio.sleep(BRIEFLY_S)

    def __serve_build_asgi_app__(self) -> FastAPI:  # Serve calls this in the replica, so no page is ever pickled
        from starlette.middleware import Middleware

        from serve.access import open_access
        from serve.admission import Admission
        from serve.api import create_api
        from serve.canvas import mount_canvas
        from serve.observer import Observer
        from serve.search import Searcher

        settings = self.settings
        pool = ThreadPoolExecutor(settings.ingress.decoders, thread_name_prefix="decode")
        searcher = Searcher(self.graph, self.releases, pool=pool, timeout_s=settings.timeout_s)
        api = create_api(
            searcher,
            pool,
            attribution=self.attribution,
            access=open_access(settings, None if self.limiter is None else self.limiter.lease.remote),
            outside=[Middleware(Observer)],
            inside=[Middleware(Admission, config=settings.ingress.admission)],
            behind_ray=True,
        )
        return mount_canvas(api, attribution=self.attribution is not None)

    async def _obey(self, plan: Plan) -> None:
        self.releases.obey(plan)

    def _report(self) -> Report:
        return Report(PART, active=self.releases.active, using=self.releases.using)
