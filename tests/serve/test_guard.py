"""The guard by itself: what passes, what does not, and how much is read before it says no."""

import asyncio
import re
from functools import partial
from typing import Any

import pytest
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from serve.access import OPEN as OPEN_TO_ALL
from serve.canvas import mount_canvas
from serve.errors import ProblemError
from serve.guard import GRADIO_ROUTES, Guard
from tests.serve.replicas import Replica

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


def ask(
    path: str, chunks: list[bytes], headers: tuple[tuple[bytes, bytes], ...] = (), method: str = "POST"
) -> tuple[int, int]:
    """Return status and number of chunks that were read."""
    sent: list[Message] = []
    left = list(chunks)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers), "method": method}
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


OPEN = ["/", "/config", "/theme.css", "/assets/x/y-1_2.js", "/static/fonts/a.woff2", "/gradio_api/startup-events"]


@pytest.mark.parametrize("path", OPEN)
def test_what_the_page_needs_can_be_read_and_nothing_be_sent_to_it(path: str) -> None:
    assert ask(path, [b""], method="GET")[0] == 200
    assert ask(path, [b""], method="HEAD")[0] == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"):
        assert ask(path, [b"http://127.0.0.1:1/"], method=method) == (405, 0)


CLOSED = [
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/run/predict",
    "/gradio_api/api/predict",
    "/gradio_api/call/predict",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=http://127.0.0.1:1/x",
    "/gradio_api/file/x",
    "/gradio_api/proxy=http://127.0.0.1:1/",
    "/gradio_api/queue/join",
    "/gradio_api/queue/data",
    "/gradio_api/stream/x",
    "/gradio_api/heartbeat/x",
    "/gradio_api/component_server",
    "/gradio_api/custom_component/x/client/component/index.js",
    "/gradio_api/info",
    "/gradio_api/openapi.json",
    "/gradio_api/runs",
    "/gradio_api/deep_link",
    "/gradio_api/vibe-edit",
    "/gradio_api/mcp/sse",
    "/login",
    "/logout",
    "/monitoring",
    "/svelte/x.js",
    "/pwa_icon",
    "/assets/../../../etc/passwd",
    "/assets/..%2f..%2fetc/passwd",
    "/static/http://127.0.0.1:1/x",
    "/assets/x\ny",
    "/config\n",
    "//v1/x",
    "/v1",
    "",
]


@pytest.mark.parametrize("path", CLOSED)
def test_the_rest_of_gradio_is_closed(path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(path, [b"x"], method=method) == (404, 0)


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nobody listens")

    async def send(message: Any) -> None:
        sent.append(message)

    for path in ("/v1/search", "/gradio_api/queue/join", "/"):
        asyncio.run(Guard(application, OWN)({"type": "websocket", "path": path}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"] * 3


def test_no_route_of_gradio_was_forgotten() -> None:
    """Every route of the mounted page, of this version of Gradio, is either one that the page reads or closed."""
    application = Replica(OPEN_TO_ALL, mount=partial(mount_canvas, attribution=False)).app
    mounted: Any = next(route.app for route in application.routes if isinstance(route, Mount))
    routers = [mounted, *(route.original_router for route in mounted.routes if hasattr(route, "original_router"))]
    paths = {route.path for router in routers for route in router.routes if isinstance(route, Route)}
    assert len(paths) > 60
    assert "/gradio_api/upload" in paths
    example = {path: re.sub(r"\{[^}]+\}", "x", path) for path in paths}
    read = {path for path in paths if GRADIO_ROUTES.fullmatch(example[path])}
    assert read == {
        *("/", "/config", "/config/", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"),
        *("/assets/{path:path}", "/static/{path:path}"),
        *("/gradio_api/startup-events", "/gradio_api/theme.css", "/gradio_api/app_id", "/gradio_api/app_id/"),
    }
