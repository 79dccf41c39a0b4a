"""Signing in and out: ``/v1/session``, and the page ``/signin`` for people."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from serve import metrics
from serve.access import Access
from serve.auth import CALLER, Caller, from_other_site
from serve.errors import ProblemError
from serve.headers import script_hashes
from serve.models import Session, SessionQuery
from serve.openapi import problems
from serve.session import set_cookie

PAGE = Path(__file__).parents[1] / "pages" / "signin.html"


def add_session(app: FastAPI, access: Access) -> None:
    """Add the routes.

    Args:
        app: gets them.
        access: who may come in.
    """
    html = PAGE.read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {script_hashes(html.encode())}; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}

    @app.get("/signin", include_in_schema=False)
    async def signin_page() -> HTMLResponse:
        return HTMLResponse(html, headers=headers)

    @app.get("/v1/session", tags=["session"])
    async def session(request: Request, response: Response) -> Session:
        """Tell whether this request comes with a session or a key, and whether it needs one."""
        response.headers["Cache-Control"] = "no-store"
        caller: Caller | None = request.scope.get(CALLER)
        name = caller.key.name if caller else None
        return Session(signed_in=caller is not None, required=access.keys is not None, name=name)

    @app.post("/v1/session", status_code=204, tags=["session"], responses=problems(400, 401, 403, 404, 413, 422))
    async def sign_in(query: SessionQuery, request: Request) -> Response:
        """Exchange a key for a cookie that scripts cannot read, and that a browser sends by itself."""
        if from_other_site(request.headers):
            raise ProblemError(403, "Sign in on this server's own page.")
        if access.keys is None:
            raise ProblemError(404, "Nobody has to sign in here: there are no keys.")
        text = query.key.strip()
        if access.keys.ring.of_key(text) is None:
            metrics.AUTH_FAILURES.add("wrong_key")
            raise ProblemError(401, "This key is not known here, or it has been revoked.")
        token = access.keys.ring.begin_session(text, seconds=access.session_s)
        return _cookie(set_cookie(request.scope, token, seconds=access.session_s))

    @app.delete("/v1/session", status_code=204, tags=["session"])
    async def sign_out(request: Request) -> Response:
        """Take the browser's cookie back."""
        return _cookie(set_cookie(request.scope, "", seconds=0))


def _cookie(header: str) -> Response:
    return Response(status_code=204, headers={"Set-Cookie": header, "Cache-Control": "no-store"})
