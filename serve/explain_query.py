"""From an HTTP body to the question which parts of a sketch and a picture matched."""

import asyncio
from concurrent.futures import Executor
from typing import NamedTuple

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import FormData

from serve.bodies import FORM, JSON, content_type, json_body, parsed
from serve.documents import check_names, parse_json, read_pairs, refuse
from serve.errors import ProblemError
from serve.explain_models import ExplainOptions, ExplainQuery
from serve.queries import sketch_from_strokes
from serve.uploads import files_of, sketch_from_file
from sketchray.data.raster import Sketch


class WhyRequest(NamedTuple):
    """A sketch, the id of a picture, and the gallery that it is in; None for the default one."""

    sketch: Sketch
    picture_id: str
    gallery: str | None


async def read_why(request: Request, pool: Executor) -> WhyRequest:
    """Read one question: strokes as JSON, or a form with one picture of a sketch in the field ``file``.

    Args:
        request: its body is read here, once.
        pool: where pictures are decoded and large JSON is parsed.

    Raises:
        ProblemError: 400, 413, 415 or 422, saying what is wrong with the body.
    """
    kind = content_type(request)
    if kind == JSON:
        return await parsed(pool, why_from_json, await json_body(request))
    if kind != FORM:
        text = (
            f"The content type {kind[:100] or '(none)'} is not taken: send strokes as {JSON}, or a picture as {FORM}."
        )
        raise ProblemError(415, text)
    async with request.form(max_files=1, max_fields=len(ExplainOptions.model_fields), max_part_size=1024) as form:
        options = options_of(form)
        (file,) = files_of(form)
        sketch = await asyncio.get_running_loop().run_in_executor(pool, sketch_from_file, file)
    return WhyRequest(sketch, options.id, options.gallery)


def why_from_json(body: bytes) -> WhyRequest:
    """Read an `ExplainQuery` of unknown origin.

    Raises:
        ProblemError: 400 where it is no JSON, 422 where it is no such question.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise ProblemError(422, 'A question is of the form {"strokes": [[xs, ys], ...], "id": ...}.')
    check_names(document, ExplainQuery.model_fields)
    try:
        query = ExplainQuery.model_validate(document)
    except ValidationError as error:
        refuse(error)
    return WhyRequest(sketch_from_strokes(query.strokes), query.id, query.gallery)


def options_of(form: FormData) -> ExplainOptions:
    """Read what a form says beside its picture.

    Raises:
        ProblemError: 422, an unknown name, one that is given twice, or a value that it cannot have.
    """
    texts = ((name, value) for name, value in form.multi_items() if isinstance(value, str))
    given = read_pairs(texts, ExplainOptions.model_fields)
    try:
        return ExplainOptions.model_validate_strings(given)
    except ValidationError as error:
        refuse(error)
