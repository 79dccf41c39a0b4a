"""``/healthz`` and ``/readyz``, for whoever keeps the endpoint up. They never need a key."""

from fastapi import FastAPI

from serve.models import Alive, Ready
from serve.openapi import problems
from serve.search import Searcher


def add_health(app: FastAPI, searcher: Searcher) -> None:
    """Add the routes.

    Args:
        app: gets them.
        searcher: is asked whether it could answer.
    """

    @app.get("/healthz", tags=["health"])
    async def healthz() -> Alive:
        """Tell that this process answers."""
        return Alive()

    @app.get("/readyz", tags=["health"], responses=problems(503))
    async def readyz() -> Ready:
        """Send a probe through the encoder and every shard, and tell what is served."""
        return await searcher.ready()
