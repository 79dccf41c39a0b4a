"""What no request may do, whatever its route: send too much, or reach what Gradio offers beyond our page.

Gradio brings some fifty routes: uploads, files of this machine, a proxy to other hosts, queues, streams, components
that run code. The page here works in the browser alone, by our API, so all of them are closed but the page itself, its
own files and three that say how it is. Nothing can be sent to Gradio (GET and HEAD only), so nothing that a caller
sends is ever taken for a URL to fetch or a path to read; our own routes take pictures and strokes, never an address.
"""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import ProblemError, problem_response

MAX_BODY_BYTES = 12 * 1024 * 1024
SIGN_IN, MAX_SIGN_IN_BYTES = "/v1/session", 4 * 1024  # the one body that is read from who has no key

GRADIO_ROUTES = re.compile(
    r"/(config/?|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static)/[A-Za-z0-9._/@~+-]*"
    r"|gradio_api/(startup-events|theme\.css|app_id/?))?"
)


class Guard:
    """ASGI middleware: counts body bytes as they arrive, and closes Gradio's other routes.

    Args:
        app: the application behind.
        own: matches the paths of our own routes.
        max_body_bytes: a longer body is refused with 413, before or while it is read.
    """

    def __init__(self, app: ASGIApp, own: re.Pattern[str], max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.own = own
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # nothing here speaks over WebSockets
            return await send({"type": "websocket.close", "code": 1000})
        path = scope["path"]
        if not self.own.fullmatch(path):
            if not GRADIO_ROUTES.fullmatch(path) or ".." in path:
                return await problem_response(404, f"There is nothing at {path[:100]}.")(scope, receive, send)
            if scope["method"] not in ("GET", "HEAD"):
                refused = problem_response(405, f"{path[:100]} can only be read.", {"Allow": "GET, HEAD"})
                return await refused(scope, receive, send)
        limit = min(self.max_body_bytes, MAX_SIGN_IN_BYTES) if path == SIGN_IN else self.max_body_bytes
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            return await problem_response(413, _too_large(limit))(scope, receive, send)
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise ProblemError(413, _too_large(limit))
            return message

        return await self.app(scope, counted, send)


def _too_large(limit: int) -> str:
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
    return f"A request may hold {size} at most."
