"""The HTTP API: one FastAPI application around a `Searcher`, from its routes, its errors and its guards."""

from concurrent.futures import Executor

from fastapi import FastAPI

import sketchray
from serve.error_handlers import LastResort, install_handlers
from serve.guard import Guard
from serve.openapi import DESCRIPTION, install_description
from serve.request_ids import RequestIds
from serve.routes.galleries import add_galleries
from serve.routes.health import add_health
from serve.routes.nothing import OWN_ROUTES, NothingHere
from serve.routes.pages import add_pages
from serve.routes.search import add_search
from serve.search import Searcher


def create_api(searcher: Searcher, pool: Executor, *, attribution: str | None) -> FastAPI:
    """Build the application.

    Args:
        searcher: answers the queries.
        pool: bounds how many uploads are decoded at once.
        attribution: Markdown of ``/attribution``, or None where the galleries have none.
    """
    app = FastAPI(
        title="Sketchray",
        version=sketchray.__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's page loads its scripts from another host
        redoc_url=None,
    )
    add_search(app, searcher, pool)
    add_galleries(app, searcher)
    add_health(app, searcher)
    add_pages(app, attribution=attribution)
    app.router.routes.append(NothingHere(app.routes))
    install_description(app)
    install_handlers(app)
    app.add_middleware(Guard, own=OWN_ROUTES)
    app.add_middleware(LastResort)
    app.add_middleware(RequestIds)  # the last is the outermost
    return app
