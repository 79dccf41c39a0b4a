"""What is answered under our own paths where no route is: 404, or 405 with what is allowed. Gradio never sees these."""

import re

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from serve.errors import problem_response

OWN_ROUTES = re.compile(r"/(v1(/.*)?|healthz|readyz|openapi\.json|docs|attribution|signin)", re.DOTALL)


class NothingHere(BaseRoute):
    """The last of our routes, in front of the page that is mounted at ``/``.

    Args:
        routes: all of ours.
    """

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes = list(routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path of ours, by whatever method."""
        ours = scope["type"] == "http" and OWN_ROUTES.fullmatch(scope["path"])
        return (Match.FULL, {}) if ours else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that there is nothing, or nothing by this method."""
        allowed: set[str] = set()
        for route in self.routes:
            if route.matches(scope)[0] is not Match.NONE:
                allowed |= getattr(route, "methods", None) or set()
        path = scope["path"][:100]
        if allowed:
            headers = {"Allow": ", ".join(sorted(allowed))}
            answer = problem_response(405, f"{path} does not take {scope['method'][:20]}.", headers)
        else:
            answer = problem_response(404, f"There is nothing at {path}.")
        await answer(scope, receive, send)
