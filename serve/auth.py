"""Who may ask, and how often: the key or session of a request is looked at before anything else of it is read.

Pure ASGI: it costs two SHA-256 of 60 bytes and no hop. What it holds against:

- *No key, a wrong one, a revoked one*: 401, the same for all three. There is nothing to guess (`serve.keyfile`), so
  wrong keys are counted but not slowed down.
- *A browser that another site makes ask*: a cookie counts only for requests of our own pages. Browsers say where a
  request comes from in Sec-Fetch-Site, and where they do not (plain http), Origin has to be this host. A key in a
  header is no such risk: no page of another site can know it.
- *One key that asks for everybody*: 429 with Retry-After, by one limit for all replicas (`serve.leases`).

Not held against: keys and cookies in the clear. Speak https at a proxy, or with Serve's ``ssl_keyfile``.
"""

import math
import re
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serve import metrics
from serve.admission import QUESTIONS
from serve.errors import ProblemError, problem_response
from serve.keyfile import ApiKey
from serve.keyring import KeyRing
from serve.leases import Leases
from serve.session import cookie_name

# Probes, the description of the API, the way in, and what browsers fetch without their cookies.
PUBLIC = re.compile(r"/(healthz|readyz|docs|openapi\.json|signin|v1/session|favicon\.ico|manifest\.json|robots\.txt)")
QUESTION, OTHER = 1.0, 0.02  # tokens; the pictures of one answer cost less than the question
CALLER = "sketchray.caller"


class Rate(NamedTuple):
    """The rate of keys that have none of their own: questions a second, and at once."""

    per_second: float
    burst: float


class Caller(NamedTuple):
    """Whose request it is, with what it takes to charge for it."""

    key: ApiKey
    rate: Rate
    leases: Leases

    async def spend(self, cost: float) -> float:
        """Take tokens; return 0, or the seconds after which to ask again."""
        rate, burst = self.key.rate or self.rate.per_second, self.key.burst or self.rate.burst
        return await self.leases.take(self.key.id, cost, rate=rate, burst=burst)

    @property
    def burst(self) -> float:
        """Questions at once."""
        return self.key.burst or self.rate.burst


class Authenticate:
    """ASGI middleware: lets requests through that show a key in a header, or a session in a cookie.

    Args:
        app: the application behind.
        ring: the keys.
        leases: their rates.
        rate: of keys that have none of their own.
    """

    def __init__(self, app: ASGIApp, *, ring: KeyRing, leases: Leases, rate: Rate) -> None:
        self.app = app
        self.ring = ring
        self.leases = leases
        self.rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        found = self._who(scope)
        if isinstance(found, ApiKey):
            scope[CALLER] = caller = Caller(found, self.rate, self.leases)
        if PUBLIC.fullmatch(scope["path"]):
            return await self.app(scope, receive, send)
        if not isinstance(found, ApiKey):
            metrics.AUTH_FAILURES.add(found)
            return await _refusal(scope)(scope, receive, send)
        if scope["path"].startswith("/v1/"):
            wait_s = await caller.spend(QUESTION if QUESTIONS.fullmatch(scope["path"]) else OTHER)
            if wait_s:
                metrics.RATE_LIMITED.add()
                return await problem_response(429, *_too_many(wait_s))(scope, receive, send)
        return await self.app(scope, receive, send)

    def _who(self, scope: Scope) -> ApiKey | str:
        """Return whose request it is, or why that cannot be told."""
        headers = Headers(scope=scope)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        shown = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
        if shown:  # whoever shows a key means that key, whatever cookie goes with it
            return self.ring.of_key(shown) or "wrong_key"
        token = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope))
        if not token:
            return "no_key"
        if from_other_site(headers):
            return "other_site"
        return self.ring.of_session(token) or "session_over"


def from_other_site(headers: Headers) -> bool:
    """Return whether a browser sends this request for a page of another site, or of another host of ours."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")  # browsers leave it out only of what changes nothing, and of their own pages' GET
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


async def charge(request: Request, cost: float) -> None:
    """Take more from a caller's rate than the one question that every search costs, as for a batch.

    Raises:
        ProblemError: 429, it is more than there is now; 422, it is more than there ever is.
    """
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None or cost <= 0:
        return
    if cost > caller.burst:
        raise ProblemError(422, f"This key may ask {caller.burst:g} questions at once; send fewer in one batch.")
    if wait_s := await caller.spend(cost):
        metrics.RATE_LIMITED.add()
        raise ProblemError(429, _too_many(wait_s)[0], retry_after=math.ceil(wait_s))


def _too_many(wait_s: float) -> tuple[str, dict[str, str]]:
    seconds = math.ceil(wait_s)
    again = "a second" if seconds == 1 else f"{seconds} seconds"
    return f"This key asks more often than it may; try again in {again}.", {"Retry-After": str(seconds)}


def _refusal(scope: Scope) -> Response:
    """Return the way in: a page for a person who opens one, a problem for everybody else."""
    if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
        wanted = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope.get("query_string") else "")
        return RedirectResponse(f"/signin?{urlencode({'next': wanted})}", 303, {"Cache-Control": "no-store"})
    sentence = "This needs an API key: send it in the header Authorization, after 'Bearer ', or sign in at /signin."
    return problem_response(401, sentence, {"WWW-Authenticate": 'Bearer realm="sketchray"'})
