"""``POST /v1/search`` and ``POST /v1/search:batch``."""

import asyncio
import time
from concurrent.futures import Executor

from fastapi import FastAPI, Request, Response

from serve.admission import admit
from serve.auth import charge
from serve.errors import ProblemDetails, ProblemError
from serve.models import BatchAnswer, SearchAnswer
from serve.openapi import problems
from serve.openapi_bodies import BATCH_BODY, SEARCH_INPUT
from serve.request import SearchRequest
from serve.search import Searcher
from serve.uploads import read_batch, read_search

BUSY = (429, 503)


def add_search(app: FastAPI, searcher: Searcher, pool: Executor) -> None:
    """Add the routes.

    Args:
        app: gets them.
        searcher: answers the queries.
        pool: bounds how many uploads are decoded at once.
    """

    @app.post(
        "/v1/search",
        response_model=SearchAnswer,
        tags=["search"],
        openapi_extra=SEARCH_INPUT,
        responses=problems(400, 401, 404, 413, 415, 422, 429, 503),
    )
    async def search(request: Request) -> Response:
        """Rank a gallery for a sketch, best first.

        Send strokes as JSON, or pictures of a sketch as a form; or ask for more like a picture of the gallery. Several
        sketches are taken for drawings of one thing: the search is for what they have in common.
        """
        started = time.perf_counter()
        asked = await read_search(request, pool)
        return _json(await searcher.search(asked, started=started))

    @app.post(
        "/v1/search:batch",
        response_model=BatchAnswer,
        tags=["search"],
        openapi_extra=BATCH_BODY,
        responses=problems(400, 401, 413, 415, 422, 429, 503),
    )
    async def search_batch(request: Request) -> Response:
        """Answer several searches, each with options of its own.

        The answers come in the order of the queries; a query that cannot be answered has its problem in its place and
        does not fail the others. Only when the whole server is busy is the batch as a whole refused.
        """
        started = time.perf_counter()

        async def answer(asked: SearchRequest | ProblemError) -> SearchAnswer | ProblemError:
            if isinstance(asked, ProblemError):
                return asked
            try:
                return await searcher.search(asked, started=started)
            except ProblemError as problem:
                return problem

        queries = await read_batch(request, pool)
        admit(request, len(queries) - 1)  # one is let in with the request
        await charge(request, len(queries) - 1)  # and paid for
        answers = await asyncio.gather(*map(answer, queries))
        busy = [item for item in answers if isinstance(item, ProblemError) and item.status in BUSY]
        if len(busy) == len(answers):
            raise busy[0]
        return _json(BatchAnswer(answers=[_told(item) for item in answers]))


def _told(item: SearchAnswer | ProblemError) -> SearchAnswer | ProblemDetails:
    return item.details() if isinstance(item, ProblemError) else item


def _json(answer: SearchAnswer | BatchAnswer) -> Response:
    # Not returned as a model: FastAPI would check every field of it again.
    return Response(answer.model_dump_json(), media_type="application/json")
