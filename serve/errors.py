"""Errors as ``application/problem+json`` (RFC 9457), each with a sentence that a person understands."""

from collections.abc import Mapping

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from serve.request_ids import current_request_id

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be answered",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}
CALLER_LEFT = 499  # as nginx writes it: nobody is there any more to be answered
TOO_MANY = "Too many searches at once; try again in a moment."


class ProblemDetails(BaseModel):
    """The body of every error answer."""

    type: str = Field(description="where this kind of problem is explained, on this server")
    title: str = Field(description="what kind of problem it is")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this request, in a sentence")
    request_id: str = Field(description="also in the header X-Request-ID, and in the server's log")
    position: int | None = Field(
        None,
        exclude_if=lambda position: position is None,
        description="of a filter: how many of its characters come before the mistake",
    )


class ProblemError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status, 4xx or 503.
        detail: what is wrong, in a sentence for the caller.
        retry_after: seconds after which it is worth asking again.
        position: of a filter, how many of its characters come before the mistake.
        headers: of the answer, beside those that every answer has.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        retry_after: int | None = None,
        position: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.position = position
        self.headers = {**(headers or {}), **({} if retry_after is None else {"Retry-After": str(retry_after)})}

    def details(self) -> ProblemDetails:
        """Return the body of the answer."""
        return ProblemDetails(
            type=f"/docs#problem-{self.status}",
            title=TITLES.get(self.status, "Error"),
            status=self.status,
            detail=self.detail,
            request_id=current_request_id(),
            position=self.position,
        )

    def response(self) -> JSONResponse:
        """Return the answer."""
        body = self.details().model_dump()
        return JSONResponse(body, self.status, headers=self.headers, media_type="application/problem+json")


def problem_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer for one problem, as middleware needs it; routes raise `ProblemError`."""
    return ProblemError(status, detail, headers=headers).response()


def as_sentence(text: str) -> str:
    """Return a message with a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
