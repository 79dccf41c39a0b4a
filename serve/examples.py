"""Example sketches: what a visitor can start from, and what a replica probes itself with."""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("examples.json")
SIDE = 1000  # the square that they are drawn in, units


class Example(NamedTuple):
    """One drawing.

    Attributes:
        name: what it shows, in one or two English words.
        strokes: ``[[xs, ys], ...]`` in whole units of a square of `SIDE`, y downwards: what ``/v1/search`` takes.
    """

    name: str
    strokes: list[list[list[int]]]


@cache
def examples() -> tuple[Example, ...]:
    """Return the drawings in ``examples.json``, made by hand for this project."""
    return tuple(Example(**example) for example in json.loads(FILE.read_text(encoding="utf-8")))
