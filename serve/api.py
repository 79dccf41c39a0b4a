"""The HTTP API: routes of one FastAPI application around a `Searcher`."""

import hashlib
import re
import time
from concurrent.futures import Executor
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Match

import sketchray
from serve import errors
from serve.errors import ProblemDetails, ProblemError
from serve.guard import Guard
from serve.limits import DEFAULT_LIMIT, MAX_LIMIT
from serve.models import Ready, SearchAnswer, StrokesQuery
from serve.search import Searcher, SearchRequest
from serve.uploads import read_query

OWN_ROUTES = re.compile(r"/(v1/.*|healthz|readyz|openapi\.json|docs|attribution)")
IMAGE_CACHE = "public, max-age=86400"

PictureForm = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PNG, JPEG, WebP, GIF or BMP",
        },
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    },
}
SEARCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": PictureForm},
            "application/json": {"schema": StrokesQuery.model_json_schema()},
        },
    }
}


def problems(**details: str) -> dict[int | str, dict[str, Any]]:
    """Describe error answers for OpenAPI: ``problems(_404="no such picture")``."""
    content = {"application/problem+json": {"schema": ProblemDetails.model_json_schema()}}
    return {int(status[1:]): {"description": text, "content": content} for status, text in details.items()}


def create_api(searcher: Searcher, pool: Executor, *, docs: str, attribution: str | None) -> FastAPI:
    """Build the application.

    Args:
        searcher: answers the queries.
        pool: bounds how many uploads are decoded at once.
        docs: the HTML of ``/docs``.
        attribution: text of ``/attribution``, or None where the gallery has none.
    """
    app = FastAPI(
        title="Sketchray",
        version=sketchray.__version__,
        description="Draw a thing, get its pictures.",
        docs_url=None,  # FastAPI's page loads its scripts from another host
        redoc_url=None,
    )
    errors.install(app)
    app.add_middleware(Guard, own=OWN_ROUTES)

    @app.post(
        "/v1/search",
        openapi_extra=SEARCH_BODY,
        responses=problems(
            _400="not JSON, or a malformed form",
            _413="the body is too large",
            _415="neither a form nor JSON",
            _422="not a picture, not a drawing, or a blank one",
            _503="busy, or a part of the search is starting again",
        ),
    )
    async def search(request: Request) -> SearchAnswer:
        """Rank the gallery for a sketch: a picture as a form, or strokes as JSON. Best first."""
        started = time.perf_counter()
        query = await read_query(request, pool)
        return await searcher.search(SearchRequest(sketches=(query.sketch,), limit=query.limit), started=started)

    @app.get(
        "/v1/images/{id}",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {}}, "description": "the thumbnail"},
            304: {"description": "the caller's copy is current"},
            **problems(_404="no such picture", _503="the shard cannot answer now"),
        },
    )
    async def image(
        id: Annotated[str, Path(description="from a search result")],
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Return the thumbnail of a picture of the gallery."""
        data = await searcher.thumbnail(id)
        if data is None:
            raise ProblemError(404, "The gallery has no picture of this id.")
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"', "Cache-Control": IMAGE_CACHE}
        if if_none_match and headers["ETag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/jpeg", headers=headers)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell that this process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses=problems(_503="the encoder or a shard cannot answer"))
    async def readyz() -> Ready:
        """Send a probe through the encoder and every shard, and tell what is served."""
        return await searcher.ready()

    @app.get("/docs", include_in_schema=False)
    async def docs_page() -> HTMLResponse:
        return HTMLResponse(docs)

    @app.get("/attribution", response_class=PlainTextResponse, responses=problems(_404="none was given"))
    async def attribution_page() -> str:
        """Tell where the pictures come from and under which licences."""
        if attribution is None:
            raise ProblemError(404, "This gallery came without an attribution file.")
        return attribution

    @app.api_route("/v1/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def nothing(request: Request) -> None:
        known = [route for route in app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
        if known:
            raise ProblemError(405, f"{request.url.path} does not take {request.method}.")
        raise ProblemError(404, f"There is nothing at {request.url.path}.")

    return app
