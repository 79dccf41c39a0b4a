"""Bodies and options of the routes that read them by themselves, for the API's description."""

from typing import Any

from serve.explain_models import ExplainOptions
from serve.limits import MAX_PIXELS, MAX_SKETCHES
from serve.models import SearchOptions
from serve.openapi_examples import OF_A_BATCH, OF_A_SEARCH
from sketchray.data.images import FORMATS

Json = dict[str, Any]
REF = "#/components/schemas/{model}"


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
