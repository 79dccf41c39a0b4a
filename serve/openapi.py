"""The API's description: bodies that routes read by themselves, problems, limits, keys; and examples of each."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from serve.explain_models import ExplainOptions, ExplainQuery
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
from serve.models import BatchQuery, SearchOptions, SearchQuery
from serve.openapi_examples import OF_A_BATCH, OF_A_SEARCH, OF_MODELS
from serve.session import COOKIE
from sketchray.data.images import FORMATS

Json = dict[str, Any]
REF = "#/components/schemas/{model}"

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


def _as_text(schema: Json) -> Json:
    """Return an option's schema where it comes as text, which cannot be null."""
    some: Json = next((kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"), {})
    return {**{key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}, **some} | (
        {} if schema.get("default") is None else {"default": schema["default"]}
    )


OPTIONS = {name: _as_text(schema) for name, schema in SearchOptions.model_json_schema()["properties"].items()}

PICTURE_FORM: Json = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_SKETCHES,
            "items": {"type": "string", "format": "binary"},
            "description": f"{', '.join(FORMATS)}, dark on light, light on dark or on a transparent ground; several "
            f"are sketches of one thing; at most {MAX_PIXELS:,} pixels each",
        },
        **OPTIONS,
    },
}

EXPLAIN_FORM: Json = {
    "type": "object",
    "required": ["file", "id"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "a picture of a sketch, as in a search"},
        **{name: _as_text(schema) for name, schema in ExplainOptions.model_json_schema()["properties"].items()},
    },
}
TAKEN = ", ".join(f"image/{kind.lower()}" for kind in FORMATS)

SEARCH_INPUT: Json = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": schema}
        for name, schema in OPTIONS.items()
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": REF.format(model="SearchQuery")},
                "examples": OF_A_SEARCH,
            },
            "multipart/form-data": {
                "schema": {"$ref": REF.format(model="PictureForm")},
                "encoding": {"file": {"contentType": TAKEN}},
            },
        },
    },
}
BATCH_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": REF.format(model="BatchQuery")},
                "examples": OF_A_BATCH,
            }
        },
    }
}
WHY_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": REF.format(model="ExplainQuery")}},
            "multipart/form-data": {
                "schema": {"$ref": REF.format(model="ExplainForm")},
                "encoding": {"file": {"contentType": TAKEN}},
            },
        },
    }
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
