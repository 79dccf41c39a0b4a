"""ASGI middleware: counts the API's requests, times them, and writes one line about each."""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.auth import CALLER, Caller
from serve.errors import CALLER_LEFT
from serve.events import log_event
from serve.metrics import IN_FLIGHT, REQUEST_MS, REQUESTS

OBSERVED = "/v1/"


class Observer:
    """Observes what lies under ``/v1/``; the page's files and the health checks are in Ray Serve's own counters.

    Args:
        app: the application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(OBSERVED):
            return await self.app(scope, receive, send)
        began = time.perf_counter()
        status = 500  # unless an answer begins: an error that nobody foresaw is answered further out

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._count(1)
        try:
            return await self.app(scope, receive, noted)
        except asyncio.CancelledError:
            status = CALLER_LEFT
            raise
        finally:
            self._count(-1)
            ms = (time.perf_counter() - began) * 1000
            path = getattr(scope.get("route"), "path", "none")  # the template, which has few values
            REQUESTS.add(path, str(status))
            REQUEST_MS.observe(ms, path)
            level = logging.WARNING if status >= 500 else logging.INFO
            caller: Caller | None = scope.get(CALLER)
            whose = {"key": caller.key.id} if caller else {}
            log_event(
                "request", level=level, method=scope["method"], path=path, status=status, ms=round(ms, 2), **whose
            )

    def _count(self, change: int) -> None:
        self.in_flight += change
        IN_FLIGHT.set(self.in_flight)
