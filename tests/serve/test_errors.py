"""What leaves when something goes wrong inside: a problem with the request's id, and a line in the log."""

import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from serve.api import create_api
from serve.errors import ProblemError

LIKE = {"like": "x"}


@pytest.fixture
def searcher() -> Any:
    """A search that can be told what to do."""
    return Mock(search=AsyncMock(), ready=AsyncMock())


@pytest.fixture
def app(searcher: Any) -> FastAPI:
    return create_api(searcher, Mock(), attribution=None)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_what_nobody_foresaw(searcher: Any, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    searcher.search.side_effect = RuntimeError("the secret of the house")
    with caplog.at_level(logging.ERROR, "ray.serve"):
        answer = client.post("/v1/search", json=LIKE, headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "find-me"
    assert "secret" not in answer.text
    (record,) = (record for record in caplog.records if record.exc_info)
    assert "find-me" in record.getMessage()


def test_an_answer_that_has_begun_is_broken_off(app: FastAPI, client: TestClient) -> None:
    async def half() -> Any:
        yield b"half"
        raise RuntimeError("in the middle")

    app.router.routes.insert(0, _route("/v1/half", half))
    with pytest.raises(RuntimeError, match="in the middle"):
        client.get("/v1/half")


def _route(path: str, stream: Any) -> Any:
    other = FastAPI()

    @other.get(path)
    async def answer() -> StreamingResponse:
        return StreamingResponse(stream())

    return other.router.routes[-1]


def test_a_caller_who_leaves_is_no_error(searcher: Any, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    searcher.search.side_effect = ClientDisconnect()
    with caplog.at_level(logging.ERROR, "ray.serve"):
        assert client.post("/v1/search", json=LIKE).status_code == 499
    assert not caplog.records


def test_busy_says_when_to_come_back(searcher: Any, client: TestClient) -> None:
    searcher.search.side_effect = ProblemError(503, "Too many searches at once.", retry_after=3)
    for path, body in (("/v1/search", LIKE), ("/v1/search:batch", {"queries": [LIKE, LIKE]})):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    mixed = client.post("/v1/search:batch", json={"queries": [LIKE, {"strokes": []}]})
    assert mixed.status_code == 200
    assert [part["status"] for part in mixed.json()["answers"]] == [503, 422]
