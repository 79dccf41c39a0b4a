"""From an HTTP body to search requests: forms, pictures and JSON that a stranger sent."""

import asyncio
from concurrent.futures import Executor
from functools import partial
from typing import BinaryIO

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from serve.bodies import FORM, JSON, content_type, json_body, parsed
from serve.errors import ProblemError, as_sentence
from serve.limits import MAX_FILTER, MAX_PIXELS, MAX_SKETCHES
from serve.models import SearchOptions
from serve.queries import (
    Options,
    make_request,
    options_from_text,
    options_model,
    request_from_json,
    requests_from_json,
)
from serve.request import SearchRequest
from sketchray.data.images import ImageError, decode_image
from sketchray.data.raster import Bitmap, BlankSketchError, Sketch

DRAFT_SIZE = 768  # a large JPEG is decoded at a fraction of its size; lines survive that


async def read_search(request: Request, pool: Executor) -> SearchRequest:
    """Read one search: a form with pictures in the field ``file``, or strokes as JSON. Options may be in the URL.

    Args:
        request: its body is read here, once.
        pool: where pictures are decoded and large JSON is parsed.

    Raises:
        ProblemError: 400, 413, 415 or 422, saying what is wrong with the body or an option.
    """
    options = options_from_text(request.query_params.multi_items())
    kind = content_type(request)
    if kind == FORM:
        return await _from_form(request, options, pool)
    if kind == JSON:
        body = await json_body(request)
        return await parsed(pool, partial(request_from_json, options=options), body)
    raise ProblemError(
        415,
        f"The content type {kind[:100] or '(none)'} is not taken: send a picture as {FORM} "
        f"with the field 'file', or strokes as {JSON}.",
    )


async def read_batch(request: Request, pool: Executor) -> list[SearchRequest | ProblemError]:
    """Read a batch of searches, as JSON; a query that is wrong has its problem in its place.

    Args:
        request: its body is read here, once.
        pool: where large JSON is parsed.

    Raises:
        ProblemError: 400, 413, 415 or 422, where the batch as a whole is wrong.
    """
    kind = content_type(request)
    if kind != JSON:
        raise ProblemError(415, f"The content type {kind[:100] or '(none)'} is not taken: send queries as {JSON}.")
    return await parsed(pool, requests_from_json, await json_body(request))


def sketch_from_picture(data: bytes) -> Sketch:
    """Decode an uploaded picture of a sketch, whatever its polarity, transparency or size.

    Raises:
        ProblemError: 422, not a picture, too many pixels, truncated, or nothing drawn on it.
    """
    try:
        return Bitmap.from_image(decode_image(data, max_pixels=MAX_PIXELS, draft_size=DRAFT_SIZE))
    except (ImageError, BlankSketchError) as error:
        raise ProblemError(422, as_sentence(str(error))) from error


async def _from_form(request: Request, options: Options, pool: Executor) -> SearchRequest:
    fields = len(SearchOptions.model_fields)
    async with request.form(max_files=MAX_SKETCHES, max_fields=fields, max_part_size=4 * MAX_FILTER) as form:
        texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name != "file"]
        asked = options_model({**options, **options_from_text(texts)})
        files = files_of(form)
        # The bytes are read in the thread that decodes them: until then they may lie on the disk.
        loop = asyncio.get_running_loop()
        decoding = [loop.run_in_executor(pool, sketch_from_file, file) for file in files]
        return make_request(asked, tuple(await asyncio.gather(*decoding)))


def files_of(form: FormData) -> list[BinaryIO]:
    """Return the pictures of a form.

    Raises:
        ProblemError: 422, no picture, or one in another field than ``file``.
    """
    uploads = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    if wrong := next((name for name, _ in uploads if name != "file"), None):
        raise ProblemError(422, f"The form has a file in the field {wrong[:40]!r}; pictures belong into 'file'.")
    if not uploads:
        raise ProblemError(422, "The form has no picture: send it as a file in the field 'file'.")
    return [upload.file for _, upload in uploads]


def sketch_from_file(file: BinaryIO) -> Sketch:
    """Read and decode an uploaded picture; errors as `sketch_from_picture`."""
    return sketch_from_picture(file.read())
