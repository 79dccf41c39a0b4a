"""``POST /v1/explain``."""

from concurrent.futures import Executor

from fastapi import FastAPI, Request

from serve.explain_models import Explanation
from serve.explain_query import read_why
from serve.openapi import problems
from serve.openapi_bodies import WHY_BODY
from serve.search import Searcher


def add_explain(app: FastAPI, searcher: Searcher, pool: Executor) -> None:
    """Add the route.

    Args:
        app: gets it.
        searcher: asks the encoder.
        pool: bounds how many uploads are decoded at once.
    """

    @app.post(
        "/v1/explain",
        tags=["search"],
        openapi_extra=WHY_BODY,
        responses=problems(400, 401, 404, 413, 415, 422, 429, 503),
    )
    async def explain(request: Request) -> Explanation:
        """Tell which parts of a sketch and of a picture matched.

        The sketch is compared with the picture's thumbnail, since the gallery keeps no other copy: the score is a
        little other than in a search. Two more passes through the encoder: ask for it when somebody wants to know.
        """
        asked = await read_why(request, pool)
        return await searcher.explain(asked.sketch, asked.picture_id, asked.gallery)
