"""What a tool finds that knows nothing but the API's own description: schemathesis, by the rules and against them."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

pytestmark = pytest.mark.slow
COUNTS = [pytest.param(8, id="short"), pytest.param(300, id="long", marks=pytest.mark.full)]
LONGEST_URL = 60_000
# Not every number and text that a schema allows is a drawing or a filter: what fits may still be refused.
LENIENT = [positive_data_acceptance]


@pytest.fixture(scope="module")
def description(served: Any) -> Any:
    """The API as its description tells of it."""
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def operations(description: Any) -> dict[str, Any]:
    return {operation.label: operation for operation in (result.ok() for result in description.get_all_operations())}


def check(operation: Any, mode: GenerationMode, count: int, excluded: list[Any]) -> int:
    """Send requests, and check each answer against the description; return how many."""
    asked = 0

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        answer = case.call(timeout=240)
        assert answer.status_code < 500, answer.text
        if len(answer.request.url or "") > LONGEST_URL:
            return  # the HTTP server itself refuses it
        assert answer.headers["x-request-id"]
        case.validate_response(answer, excluded_checks=excluded)

    ask()
    return asked


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", COUNTS)
def test_what_the_description_allows(description: Any, count: int) -> None:
    found = operations(description)
    assert "POST /v1/search:batch" in found
    for operation in found.values():
        asked = check(operation, GenerationMode.POSITIVE, count, LENIENT)
        assert asked


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", COUNTS)
def test_what_the_description_forbids(description: Any, count: int) -> None:
    for label, operation in operations(description).items():
        if not (operation.body or operation.query or operation.path_parameters):
            continue  # there is nothing to forbid
        # A batch is answered even if every query in it has a problem.
        excluded = [*LENIENT, negative_data_rejection] if label == "POST /v1/search:batch" else LENIENT
        asked = check(operation, GenerationMode.NEGATIVE, count, excluded)
        assert asked
