"""What browsers are told to hold against, in the headers of every answer.

- *Text that turns into a script*, in a picture's label or file name: no page runs a script that is not from this
  server or one of its own inline ones, which are named by their hashes; so neither an injected ``<script>`` nor an
  ``onerror=`` runs. Gradio needs ``unsafe-eval`` (it compiles our components' code with ``new Function``) and inline
  styles, so on its page the last defence is that results are put in as text (`serve.canvas`).
- *Another site that frames, embeds or opens the page*: frame-ancestors, same-origin resources and opener.
- *Data that leave*: connections, pictures, fonts and forms go to this server only, and no address is sent along.
"""

import base64
import gzip
import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE = "/"
INLINE = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
OTHERS = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OF_EVERY_ANSWER = {
    "Content-Security-Policy": OTHERS,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def script_hashes(html: bytes) -> str:
    """Return the inline scripts of a page as sources of a policy: ``'sha256-...' 'sha256-...'``."""
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in INLINE.findall(html))
    return " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests))


def page_policy(html: bytes) -> str:
    """Return the policy of Gradio's page."""
    return (
        f"default-src 'self'; script-src 'self' 'unsafe-eval' {script_hashes(html)}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )


class SecurityHeaders:
    """ASGI middleware: adds the headers to every answer; one that a route has set itself stays.

    Args:
        app: the application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == PAGE:
            return await self._page(scope, receive, send)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, {})
            await send(message)

        return await self.app(scope, receive, headed)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page, whose policy can only be written once all of it is known."""
        packed = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = bytearray()

        async def held(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    whole = _finish(start, bytes(body), packed=packed and scope["method"] == "GET")
                    await send(start)
                    await send({"type": "http.response.body", "body": whole})

        return await self.app({**scope, "headers": plain}, receive, held)


def _finish(start: Message, body: bytes, *, packed: bool) -> bytes:
    """Write the headers of the whole page; return its body as it goes out."""
    if not Headers(raw=start["headers"]).get("content-type", "").startswith("text/html"):
        _add(start, {})
        return body
    own = {"Content-Security-Policy": page_policy(body), "Cache-Control": "no-store"}
    if packed:
        body = gzip.compress(body, 5, mtime=0)
        own |= {"Content-Encoding": "gzip", "Content-Length": str(len(body)), "Vary": "Accept-Encoding"}
    _add(start, own)
    return body


def _add(start: Message, own: dict[str, str]) -> None:
    headers = MutableHeaders(scope=start)
    for name, value in OF_EVERY_ANSWER.items():
        headers.setdefault(name, own.get(name, value))
    for name in own.keys() - OF_EVERY_ANSWER.keys():
        headers[name] = own[name]
