"""The guard by itself: what passes, what does not, and how much is read before it says no."""

import asyncio
import re
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.errors import ProblemError
from serve.guard import Guard

OWN = re.compile("/v1/.*")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body, then answer its length."""
    length = 0
    while True:
        message = await receive()
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


def ask(path: str, chunks: list[bytes], headers: tuple[tuple[bytes, bytes], ...] = ()) -> tuple[int, int]:
    """Return status and number of chunks that were read."""
    sent: list[Message] = []
    left = list(chunks)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers), "method": "POST"}
    try:
        asyncio.run(Guard(application, OWN, max_body_bytes=100)(scope, receive, send))
    except ProblemError as problem:
        return problem.status, len(chunks) - len(left)
    return sent[0]["status"], len(chunks) - len(left)


def test_the_limit_holds_while_reading() -> None:
    assert ask("/v1/search", [b"x" * 50, b"x" * 50]) == (200, 2)
    assert ask("/v1/search", [b"x" * 50] * 100) == (413, 3)


def test_an_announced_length_is_refused_unread() -> None:
    assert ask("/v1/search", [b"x" * 50] * 100, ((b"content-length", b"5000"),)) == (413, 0)
    assert ask("/v1/search", [b"x" * 50] * 100, ((b"content-length", b"7"),)) == (413, 3)
    assert ask("/v1/search", [b"x"], ((b"content-length", b"nonsense"),)) == (200, 1)


@pytest.mark.parametrize(
    "path", ["/", "/config", "/theme.css", "/assets/x/y.js", "/gradio_api/startup-events", "/v1/x"]
)
def test_what_the_page_needs_is_open(path: str) -> None:
    assert ask(path, [b""])[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/run/predict",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/proxy=http://x/",
        "/gradio_api/queue/join",
        "/gradio_api/component_server",
        "/login",
        "/monitoring",
        "//v1/x",
        "/v1",
        "",
    ],
)
def test_the_rest_of_gradio_is_closed(path: str) -> None:
    assert ask(path, [b""])[0] == 404
