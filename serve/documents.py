"""JSON of unknown origin: parsed within bounds, and what is wrong with it in one sentence."""

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import from_json

from serve.errors import ProblemError, as_sentence
from serve.limits import MAX_LISTS

SHOWN = 40  # characters of what somebody sent, in a sentence


def parse_json(body: bytes) -> Any:
    """Return a document of JSON.

    Raises:
        ProblemError: 400, empty or no JSON; 413, more lists than any drawing has.
    """
    if not body:
        raise ProblemError(400, "The body is empty: send strokes as JSON, or a picture in the form field 'file'.")
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise ProblemError(413, f"A JSON body may hold {MAX_LISTS:,} lists and objects at most.")
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise ProblemError(400, f"The body is not JSON: {as_sentence(str(error))}") from error


def check_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an unknown name before pydantic does: it makes an error of each, and a body can hold a million.

    Raises:
        ProblemError: 422, with the nearest known name.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name[:SHOWN], known, n=1)
            hint = f"the nearest is {near[0]}" if near else f"there are {', '.join(known)}"
            raise ProblemError(422, f"There is no option {name[:SHOWN]!r}; {hint}.")


def read_pairs(pairs: Iterable[tuple[str, str]], known: Iterable[str]) -> dict[str, str]:
    """Return options that came as text, by name.

    Raises:
        ProblemError: 422, an unknown name, or one that is given twice.
    """
    known, given = list(known), dict[str, str]()
    for name, value in pairs:
        check_names([name], known)
        if name in given:
            raise ProblemError(422, f"{name} is given twice.")
        given[name] = value
    return given


def refuse(error: ValidationError) -> NoReturn:
    """Say in one sentence what a document's first mistake is.

    Raises:
        ProblemError: 422, always.
    """
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = as_sentence(first["msg"].removeprefix("Value error, ").removeprefix("Input "))
    raise ProblemError(422, f"{where}: {said[:1].lower()}{said[1:]}" if where else said) from error
