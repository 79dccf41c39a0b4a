"""The API's description: problems, limits, keys, and the models and examples that FastAPI does not know of."""

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from serve.explain_models import ExplainQuery
from serve.guard import MAX_BODY_BYTES
from serve.limits import (
    MAX_BATCH,
    MAX_DEPTH,
    MAX_JSON_BYTES,
    MAX_LIMIT,
    MAX_LISTS,
    MAX_PIXELS,
    MAX_POINTS,
    MAX_SKETCHES,
    MAX_STROKES,
)
from serve.models import BatchQuery, SearchQuery
from serve.openapi_bodies import EXPLAIN_FORM, PICTURE_FORM, REF, Json
from serve.openapi_examples import OF_MODELS
from serve.session import COOKIE

DESCRIPTION = f"""Draw a thing, get its pictures.

Limits of one request: {MAX_BODY_BYTES // 2**20} MiB of body, {MAX_JSON_BYTES // 2**20} MiB of it as JSON
with {MAX_LISTS:,} lists and objects;
{MAX_SKETCHES} sketches of one thing; {MAX_PIXELS:,} pixels a picture; {MAX_STROKES:,} strokes and {MAX_POINTS:,} points
a sketch; {MAX_BATCH} queries a batch; {MAX_LIMIT} results, among the first {MAX_DEPTH:,} of a ranking. A key may also
have a rate. Every answer has an `X-Request-ID`: the caller's own if it is of 1 to 64 letters, digits, `.`, `_` and `-`.
"""

SAID = {
    400: "not JSON, or a malformed form",
    401: "a key is needed here, and none or a wrong one was sent",
    403: "another site's page may not do this",
    404: "there is no such gallery or picture",
    405: "this path does not take this method; Allow says which it does",
    413: "the body is too large",
    415: "the body is of a type that is not taken",
    422: "an option that does not fit, no picture, no drawing, or a blank one",
    429: "too many requests with this key",
    500: "a mistake of ours; the log has the details under the request's id",
    503: "busy, or a part of the search is starting again",
}
RETRY = {
    "Retry-After": {"description": "seconds after which to ask again", "schema": {"type": "integer", "minimum": 0}}
}
REQUEST_ID = {"X-Request-ID": {"description": "name of this request in the server's log", "schema": {"type": "string"}}}

KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "a key"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "as the page has after signing in"},
}


def problems(*statuses: int) -> dict[int | str, Json]:
    """Describe error answers by their statuses, for a route's ``responses``."""
    schema = {"$ref": REF.format(model="ProblemDetails")}
    return {
        status: {"description": SAID[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


def install_description(app: FastAPI) -> None:
    """Make ``/openapi.json`` tell all of it. Call it after the last route was added."""

    def describe() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    openapi_version=app.openapi_version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _completed(document: Json) -> Json:
    asked = (SearchQuery, BatchQuery, ExplainQuery)
    queries = models_json_schema([(model, "validation") for model in asked], ref_template=REF)[1]
    components = document["components"]
    components["schemas"] |= queries["$defs"] | {"PictureForm": PICTURE_FORM, "ExplainForm": EXPLAIN_FORM}
    components["securitySchemes"] = KEYS
    for name, example in OF_MODELS.items():
        if name in components["schemas"]:
            components["schemas"][name].setdefault("examples", [example])
    document["security"] = [{}, *({name: []} for name in KEYS)]  # whether a key is needed is said by /v1/session
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                headers = REQUEST_ID | (RETRY if status in ("429", "503") else {})
                answer["headers"] = headers | answer.get("headers", {})
    return document
