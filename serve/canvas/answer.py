"""What the page shows for a drawing: tiles, or a sentence."""

import asyncio
import html
import json
import logging
from concurrent.futures import Executor
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from serve.errors import ProblemError
from serve.models import Result, SearchAnswer
from serve.search import Searcher
from serve.uploads import sketch_from_strokes

SHOWN = 24
MAX_DRAWING_CHARACTERS = 2_000_000
log = logging.getLogger("ray.serve")


def sentence(text: str, kind: str = "hint") -> str:
    """Return a line for the person, in place of results."""
    return f'<p class="{kind}" role="status">{html.escape(text)}</p>'


WELCOME = sentence("Draw something, and pictures that look like it appear here.")


async def answer_drawing(searcher: Searcher, pool: Executor, drawing: Any) -> str:
    """Search for what is on the pad.

    Args:
        searcher: the query graph.
        pool: where strokes are parsed.
        drawing: the pad's value, JSON ``[[xs, ys], ...]``; from the network, so it may be anything.

    Returns:
        HTML in which everything that is not ours is escaped. It never raises: a problem is a sentence.
    """
    try:
        strokes = await asyncio.get_running_loop().run_in_executor(pool, _parse, drawing)
        if not strokes:
            return WELCOME
        sketch = await asyncio.get_running_loop().run_in_executor(pool, sketch_from_strokes, strokes)
        return tiles(await searcher.search(sketch, SHOWN))
    except ProblemError as problem:
        return sentence(problem.detail, "trouble")
    except Exception:
        log.exception("the page could not answer a drawing")
        return sentence("That did not work, and it is not your drawing's fault. Please try again.", "trouble")


def tiles(answer: SearchAnswer) -> str:
    """Return the ranked pictures as an ordered list."""
    if not answer.results:
        return sentence("This gallery has no pictures yet.")
    return f'<ol class="tiles" aria-label="Pictures, best first">{"".join(map(tile, answer.results))}</ol>'


def tile(result: Result) -> str:
    """Return one picture with its name and score."""
    name = html.escape(name_of(result))
    return (
        f'<li class="tile" data-id="{html.escape(result.id)}" title="{html.escape(result.uri)}">'
        f'<img src="{html.escape(result.image)}" alt="{name}" loading="lazy" decoding="async" width="160" height="160">'
        f'<span class="name">{name}</span><span class="score" title="similarity">{result.score:.2f}</span></li>'
    )


def name_of(result: Result) -> str:
    """Return what to call a picture: its label, else its file's name in words."""
    name = result.label or PurePosixPath(unquote(result.uri.partition("#")[0])).stem
    return name.replace("_", " ").strip() or "untitled"


def _parse(drawing: Any) -> Any:
    if not drawing:
        return None
    if not isinstance(drawing, str):
        raise ProblemError(422, "The drawing did not arrive as strokes; please reload the page.")
    if len(drawing) > MAX_DRAWING_CHARACTERS:
        raise ProblemError(413, "That is a very detailed drawing; please clear some of it.")
    try:
        return json.loads(drawing)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "The drawing did not arrive whole; please try again.") from error
