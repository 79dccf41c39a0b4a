"""Errors as ``application/problem+json`` (RFC 9457), each with a sentence that a person understands."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from serve.request_ids import current_request_id

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
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

    type: str = Field(description="where this kind of problem is explained, on this server")
    title: str = Field(description="what kind of problem it is")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this request, in a sentence")
    request_id: str = Field(default_factory=current_request_id, description="also in the header X-Request-ID")
    position: int | None = Field(None, description="of a filter: how many of its characters come before the mistake")


class ProblemError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status, 4xx or 503.
        detail: what is wrong, in a sentence for the caller.
        retry_after: seconds after which it is worth asking again.
        position: of a filter, how many of its characters come before the mistake.
    """

    def __init__(
        self, status: int, detail: str, *, retry_after: int | None = None, position: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.position = position

    def details(self) -> ProblemDetails:
        """Return the body of the answer."""
        return problem_details(self.status, self.detail, position=self.position)


def problem_details(status: int, detail: str, *, position: int | None = None) -> ProblemDetails:
    """Return the body of the answer for one problem."""
    return ProblemDetails(
        type=f"/docs#problem-{status}",
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        position=position,
    )


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the answer for one problem, as middleware needs it; routes raise `ProblemError`."""
    return _response(problem_details(status, detail), headers)


def _response(body: ProblemDetails, headers: dict[str, str] | None) -> JSONResponse:
    return JSONResponse(
        body.model_dump(exclude_none=True), body.status, headers=headers, media_type="application/problem+json"
    )


def install(app: FastAPI) -> None:
    """Make every error that a route raises leave as a problem; an unforeseen one is logged and tells nothing."""

    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        headers = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return _response(error.details(), headers)

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))

    async def on_validation(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return problem_response(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("%s %s failed (request %s)", request.method, request.url.path, current_request_id(), exc_info=error)
        return problem_response(500, "Something went wrong on our side; the log has the details.")

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_bug)
