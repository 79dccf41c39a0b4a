"""The HTTP API: one FastAPI application around a `Searcher`, from its routes, its errors and its guards."""

from collections.abc import Sequence
from concurrent.futures import Executor

from fastapi import FastAPI
from starlette.middleware import Middleware

import sketchray
from serve.access import OPEN, Access, guards
from serve.error_handlers import LastResort, install_handlers
from serve.headers import SecurityHeaders
from serve.openapi import DESCRIPTION, install_description
from serve.request_ids import RequestIds
from serve.routes.explain import add_explain
from serve.routes.galleries import add_galleries
from serve.routes.health import add_health
from serve.routes.nothing import OWN_ROUTES, NothingHere
from serve.routes.pages import add_pages
from serve.routes.search import add_search
from serve.routes.session import add_session
from serve.search import Searcher


def create_api(
    searcher: Searcher,
    pool: Executor,
    *,
    attribution: str | None,
    access: Access = OPEN,
    outside: Sequence[Middleware] = (),
    inside: Sequence[Middleware] = (),
    behind_ray: bool = False,
) -> FastAPI:
    """Build the application.

    Args:
        searcher: answers the queries.
        pool: bounds how many uploads are decoded at once.
        attribution: Markdown of ``/attribution``, or None where the galleries have none.
        access: who may come in.
        outside: in front of the guards, the first one the outermost: sees what they refuse.
        inside: behind the guards: sees only what they let in.
        behind_ray: whether requests come through Ray Serve's proxy.
    """
    app = FastAPI(
        title="Sketchray",
        version=sketchray.__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's page loads its scripts from another host
        redoc_url=None,
    )
    add_search(app, searcher, pool)
    add_explain(app, searcher, pool)
    add_galleries(app, searcher)
    add_health(app, searcher)
    add_session(app, access)
    add_pages(app, attribution=attribution)
    app.router.routes.append(NothingHere(app.routes))
    install_description(app)
    install_handlers(app)
    named = [Middleware(RequestIds, behind_ray=behind_ray), Middleware(SecurityHeaders), Middleware(LastResort)]
    for each in reversed([*named, *outside, *guards(access, own=OWN_ROUTES), *inside]):
        app.add_middleware(each.cls, *each.args, **each.kwargs)  # the last is the outermost
    return app
