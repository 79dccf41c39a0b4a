"""The body of a request: what type it says it is, JSON read up to a limit, and where it is parsed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from fastapi import Request

from serve.errors import ProblemError
from serve.limits import MAX_JSON_BYTES

Parsed = TypeVar("Parsed")
JSON = "application/json"
FORM = "multipart/form-data"
SMALL = 32 * 2**10  # bytes of JSON that are parsed in a millisecond, less than a thread costs under load


def content_type(request: Request) -> str:
    """Return the media type of a request's body, without parameters, in lower case.

    Raises:
        ProblemError: 415, a body that is compressed: what it would become has no bound.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise ProblemError(415, f"The content encoding {encoding[:40]} is not taken: send the body as it is.")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def json_body(request: Request) -> bytes:
    """Return the body, read once.

    Raises:
        ProblemError: 413, longer than JSON may be.
    """
    chunks, length = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        length += len(chunk)
        if length > MAX_JSON_BYTES:
            raise ProblemError(413, f"A JSON body may hold {MAX_JSON_BYTES // 2**20} MiB at most.")
    return b"".join(chunks)


async def parsed(pool: Executor, parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
    """Return ``parse(body)``, in a thread of the pool where it is long."""
    if len(body) <= SMALL:
        return parse(body)
    return await asyncio.get_running_loop().run_in_executor(pool, parse, body)
