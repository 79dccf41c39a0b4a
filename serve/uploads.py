"""From an HTTP body to a sketch: the only place that reads what a stranger sent."""

import asyncio
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from serve.errors import ProblemError
from serve.limits import DEFAULT_LIMIT, MAX_LIMIT
from serve.models import StrokesQuery
from sketchray.data.images import ImageError, decode_image
from sketchray.data.raster import Bitmap, BlankSketchError, Sketch, Strokes

MAX_PIXELS = 40_000_000
DRAFT_SIZE = 768  # a large JPEG is decoded at a fraction of its size; lines survive that


class Query(NamedTuple):
    """A sketch and the number of pictures wanted."""

    sketch: Sketch
    limit: int


async def read_query(request: Request, pool: Executor) -> Query:
    """Read one search request: a form with a picture in the field ``file``, or strokes as JSON.

    Args:
        request: its body is read here, once.
        pool: where pictures are decoded and JSON is parsed.

    Raises:
        ProblemError: 400, 413, 415 or 422, saying what is wrong with the body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    run = partial(asyncio.get_running_loop().run_in_executor, pool)
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=4, max_part_size=1024) as form:
            limit = read_limit(form.get("limit", request.query_params.get("limit")))
            data = await _file_of(form)
        return Query(await run(sketch_from_picture, data), limit)
    if kind == "application/json":
        body = await request.body()
        if not body:
            raise ProblemError(400, "The body is empty: send strokes as JSON, or a picture in the form field 'file'.")
        return await run(query_from_json, body)
    raise ProblemError(
        415,
        f"The content type {kind or '(none)'} is not taken: send a picture as multipart/form-data "
        "with the field 'file', or strokes as application/json.",
    )


async def _file_of(form: FormData) -> bytes:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise ProblemError(422, "The form has no picture: send it as a file in the field 'file'.")
    data = await file.read()
    if not data:
        raise ProblemError(422, "The file is empty.")
    return data


def read_limit(value: object) -> int:
    """Return the number of results asked for; None means the default.

    Raises:
        ProblemError: 422, not a whole number from 1 to the maximum.
    """
    if value is None:
        return DEFAULT_LIMIT
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise ProblemError(422, f"limit is a whole number from 1 to {MAX_LIMIT}, not {text[:20]!r}.")
    return int(text)


def sketch_from_picture(data: bytes) -> Sketch:
    """Decode an uploaded picture of a sketch, whatever its polarity, transparency or size.

    Raises:
        ProblemError: 422, not a picture, too many pixels, truncated, or nothing drawn on it.
    """
    try:
        return Bitmap.from_image(decode_image(data, max_pixels=MAX_PIXELS, draft_size=DRAFT_SIZE))
    except (ImageError, BlankSketchError) as error:
        raise ProblemError(422, _sentence(error)) from error


def query_from_json(body: bytes) -> Query:
    """Read strokes and limit.

    Raises:
        ProblemError: 400 where it is no JSON, 422 where it is no drawing.
    """
    try:
        query = StrokesQuery.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise ProblemError(400, f"The body is not JSON: {first['ctx']['error']}.") from error
        raise ProblemError(422, f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}.") from error
    return Query(sketch_from_strokes(query.strokes), query.limit)


def sketch_from_strokes(strokes: object) -> Sketch:
    """Check strokes ``[[xs, ys], ...]`` of unknown origin.

    Raises:
        ProblemError: 422, ragged, not finite, or more than the raster takes.
    """
    try:
        return Strokes.from_json(strokes)
    except ValueError as error:
        raise ProblemError(422, _sentence(error)) from error


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
