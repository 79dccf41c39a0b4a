"""How errors become answers: those that routes raise, those of the framework, and those that nobody foresaw."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import CALLER_LEFT, ProblemError, as_sentence, problem_response
from serve.request_ids import current_request_id

UNFORESEEN = "Something went wrong on our side; the log has the details under this request's id."
log = logging.getLogger("ray.serve")


def install_handlers(app: FastAPI) -> None:
    """Make every error that a route raises leave as a problem."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return error.response()

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(error.status_code, as_sentence(str(error.detail)), error.headers)

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return problem_response(422, f"{where}: {as_sentence(first['msg'])}")

    async def on_leaving(_: Request, error: Exception) -> Response:
        assert isinstance(error, ClientDisconnect)
        return Response(status_code=CALLER_LEFT)

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(ClientDisconnect, on_leaving)


class LastResort:
    """ASGI middleware: an error that nobody foresaw is logged, and its answer tells nothing but the request's id.

    Args:
        app: the application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.error("%r failed (request %s)", scope["path"], current_request_id(), exc_info=error)
            if begun:  # there is nothing to do but to break off
                raise
            await problem_response(500, UNFORESEEN)(scope, receive, send)
