"""A name for every request: in its answer, in its problem and in every line that is logged about it."""

import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
HARMLESS = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request that is being answered, or an empty text outside of one."""
    return _current.get()


class RequestIds:
    """ASGI middleware, the outermost: takes the caller's id where it is harmless, else makes one.

    Args:
        app: the application behind.
        behind_ray: whether Ray Serve's proxy is in front. It gives a request without an id one of its own, and adds
            what the request has, harmless or not, to the answer; ours is added only where it is another, in front.
    """

    def __init__(self, app: ASGIApp, *, behind_ray: bool) -> None:
        self.app = app
        self.behind_ray = behind_ray

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        harmless = HARMLESS.fullmatch(given) is not None
        request_id = given.decode() if harmless else secrets.token_hex(8)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start" and not (self.behind_ray and harmless):
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = _current.set(request_id)
        try:
            return await self.app(scope, receive, named)
        finally:
            _current.reset(token)
