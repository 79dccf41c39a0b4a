"""From what somebody asked, as JSON or as text, to a search request, or to a sentence that says what is wrong."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from serve.documents import check_names, parse_json, read_pairs, refuse
from serve.errors import ProblemError, as_sentence
from serve.limits import MAX_BATCH
from serve.models import SearchOptions, SearchQuery
from serve.request import SearchRequest
from sketchray.data.sketch import Sketch, Strokes
from sketchray.gallery.filters import Filter, FilterError, parse_filter

Options = Mapping[str, Any]


def request_from_json(body: bytes, options: Options) -> SearchRequest:
    """Read one query.

    Args:
        body: a `SearchQuery` in JSON.
        options: from the URL; what the body says comes first.

    Raises:
        ProblemError: 400 where it is no JSON, 413 where it is too much of it, 422 where it is no query.
    """
    return request_from_document(parse_json(body), options)


def requests_from_json(body: bytes) -> list[SearchRequest | ProblemError]:
    """Read a batch of queries, each of which may have a problem of its own.

    Raises:
        ProblemError: 400 where it is no JSON, 413 where it is too much of it, 422 where it is no batch.
    """
    document = parse_json(body)
    queries = document.get("queries") if isinstance(document, dict) else None
    if not isinstance(queries, list) or document.keys() != {"queries"}:
        raise ProblemError(422, 'A batch is of the form {"queries": [{"strokes": ...}, ...]}.')
    if not 1 <= len(queries) <= MAX_BATCH:
        raise ProblemError(422, f"A batch has 1 to {MAX_BATCH} queries, not {len(queries)}.")
    return [_request_or_problem(query) for query in queries]


def request_from_document(document: Any, options: Options) -> SearchRequest:
    """Check one query of unknown origin: a JSON document, parsed.

    Raises:
        ProblemError: 422, with what is wrong and where.
    """
    if not isinstance(document, dict):
        raise ProblemError(422, 'A query is of the form {"strokes": [[xs, ys], ...]}.')
    check_names(document, SearchQuery.model_fields)
    try:
        query = SearchQuery.model_validate({**options, **document})
    except ValidationError as error:
        refuse(error)
    drawings = query.sketches or ([query.strokes] if query.strokes is not None else [])
    return make_request(query, tuple(sketch_from_strokes(drawing) for drawing in drawings), like=query.like)


def options_from_text(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Read options that came as text: from the URL or from the fields of a form.

    Returns:
        Those that were given, checked.

    Raises:
        ProblemError: 422, an unknown name, one that is given twice, or a value that it cannot have.
    """
    given = read_pairs(pairs, SearchOptions.model_fields)
    try:
        return SearchOptions.model_validate_strings(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        refuse(error)


def options_model(options: Options) -> SearchOptions:
    """Return checked options with the defaults of the others.

    Raises:
        ProblemError: 422, options that do not go together.
    """
    try:
        return SearchOptions.model_validate(options)
    except ValidationError as error:
        refuse(error)


def make_request(options: SearchOptions, sketches: tuple[Sketch, ...], *, like: str | None = None) -> SearchRequest:
    """Put a request together.

    Raises:
        ProblemError: 422, a filter that cannot be read, with the position.
    """
    return SearchRequest(
        sketches=sketches,
        like=like,
        limit=options.limit,
        offset=options.offset,
        ranking=options.ranking,
        min_confidence=options.min_confidence,
        filter=None if options.filter is None else filter_from_text(options.filter),
        gallery=options.gallery,
    )


def filter_from_text(text: str) -> Filter:
    """Read a filter.

    Raises:
        ProblemError: 422, not of the grammar, with the position.
    """
    try:
        return parse_filter(text)
    except FilterError as error:
        raise ProblemError(422, as_sentence(str(error)), position=error.position) from error


def sketch_from_strokes(strokes: object) -> Sketch:
    """Check strokes ``[[xs, ys], ...]`` of unknown origin.

    Raises:
        ProblemError: 422, ragged, not finite, or more than the raster takes.
    """
    try:
        return Strokes.from_json(strokes)
    except ValueError as error:
        raise ProblemError(422, as_sentence(str(error))) from error


def _request_or_problem(document: Any) -> SearchRequest | ProblemError:
    try:
        return request_from_document(document, {})
    except ProblemError as problem:
        return problem
