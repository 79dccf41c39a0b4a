"""Errors as ``application/problem+json`` (RFC 9457), each with a sentence that a person understands."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

TITLES = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be searched for",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}
log = logging.getLogger("ray.serve")


class ProblemDetails(BaseModel):
    """The body of every error answer."""

    title: str = Field(description="what kind of problem it is")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this request, in a sentence")


class ProblemError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status, 4xx or 503.
        detail: what is wrong, in a sentence for the caller.
        retry_after: seconds after which it is worth asking again.
    """

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer for one problem."""
    body = ProblemDetails(title=TITLES.get(status, "Error"), status=status, detail=detail)
    return JSONResponse(body.model_dump(), status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make every error that a route raises leave as a problem; an unforeseen one is logged and tells nothing."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        headers = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return problem_response(error.status, error.detail, headers)

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return problem_response(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem_response(500, "Something went wrong on our side; the log has the details.")

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_bug)
