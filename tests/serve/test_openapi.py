"""The API's description is complete: a tool that knows nothing else can use the API, and every example holds."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from jsonschema import Draft202012Validator

from serve import limits
from serve.api import create_api
from serve.guard import MAX_BODY_BYTES

Json = dict[str, Any]


@pytest.fixture(scope="module")
def description() -> Json:
    """What ``/openapi.json`` says."""
    return create_api(Mock(), Mock(), attribution=None).openapi()


def operations(description: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def validator(description: Json, schema: Json) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": description["components"]})


def examples(part: Any) -> Iterator[tuple[Json, Any]]:
    """Yield every example with the schema that it is of."""
    if isinstance(part, dict):
        if "schema" in part:
            yield from ((part["schema"], example["value"]) for example in part.get("examples", {}).values())
        elif isinstance(part.get("examples"), list):
            yield from ((part, example) for example in part["examples"])
        for inner in part.values():
            yield from examples(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from examples(inner)


def test_every_example_is_of_its_schema(description: Json) -> None:
    found = list(examples(description))
    assert len(found) >= 10
    for schema, example in found:
        validator(description, schema).validate(example)


def test_every_body_and_answer_has_an_example(description: Json) -> None:
    schemas = description["components"]["schemas"]
    for name, operation in operations(description):
        answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        bodies = [part.get("content", {}) for part in (*answers, operation.get("requestBody", {}))]
        for kind, content in (item for body in bodies for item in body.items()):
            if kind == "application/json":
                model = content["schema"]["$ref"].rpartition("/")[2]
                assert content.get("examples") or schemas[model].get("examples"), f"{name}: {model}"


def test_every_part_that_is_referred_to_is_there(description: Json) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from (value for key, value in part.items() if key == "$ref")
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    known = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(references(description)) <= known
    for schema in description["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_says_how_it_fails(description: Json) -> None:
    for name, operation in operations(description):
        assert operation["description"], name
        for status, answer in operation["responses"].items():
            assert "X-Request-ID" in answer["headers"], name
            assert ("Retry-After" in answer["headers"]) == (status in ("429", "503")), f"{name} {status}"
            if int(status) >= 400:
                assert set(answer["content"]) == {"application/problem+json"}, f"{name} {status}"
    search = description["paths"]["/v1/search"]["post"]["responses"]
    assert set(search) == {"200", "400", "401", "404", "413", "415", "422", "429", "503"}


def test_every_limit_is_stated(description: Json) -> None:
    text = description["info"]["description"]
    for name in limits.__all__:
        value = getattr(limits, name)
        schemas = str(description["components"]["schemas"]) + str(description["paths"])
        said = f"{value // 2**20} MiB" if name.endswith("BYTES") else f"{value:,}"
        assert said in text or f": {value}," in schemas or f": {float(value)}," in schemas, name
    assert f"{MAX_BODY_BYTES // 2**20} MiB" in text


@pytest.mark.parametrize(
    ("query", "valid"),
    [
        ({"strokes": [[[1, 2], [3, 4]]]}, True),
        ({"strokes": [[[1, 2], [3, 4]]], "like": None, "filter": None}, True),
        ({"like": "x", "limit": 200}, True),
        ({}, False),
        ({"like": "x", "strokes": [[[1, 2], [3, 4]]]}, False),
        ({"like": "x", "limit": 201}, False),
        ({"like": "x", "limt": 2}, False),
        ({"strokes": [[[1, 2], [3, "4"]]]}, False),
        ({"strokes": [[[1, 2]]]}, False),
    ],
)
def test_the_schema_of_a_query(description: Json, query: Json, valid: bool) -> None:
    assert validator(description, {"$ref": "#/components/schemas/SearchQuery"}).is_valid(query) is valid
