"""What a starter build contains, as a value: two builds of one spec are the same, and a finished one is not redone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from sketchray.config import Config, digest
from sketchray.data.starter.attribution import attribution
from sketchray.data.starter.packages import PACKAGES
from sketchray.data.starter.words import Word, read_words, table_text

LAYOUT_VERSION = 1
DONE = "DONE.json"


class StarterConfig(Config):
    """How much of the starter set to build; the defaults build all of it.

    Attributes:
        size: side of the pictures in pixels.
        words: only these words of the table; pictures of its other words are left out altogether. All when None.
        drawings: at most so many drawings a word.
        gallery: at most so many unlabelled pictures.
    """

    size: int = Field(default=128, ge=16, le=1024)
    words: tuple[str, ...] | None = None
    drawings: int | None = Field(default=None, ge=1)
    gallery: int | None = Field(default=None, ge=0)


def chosen_words(config: StarterConfig) -> tuple[Word, ...]:
    """Return the table's rows that a configuration asks for.

    Raises:
        ValueError: a word that the table does not have.
    """
    table = read_words()
    if config.words is None:
        return table
    _refuse_unknown(config.words, [row.word for row in table])
    return tuple(row for row in table if row.word in config.words)


def spec_digest(config: StarterConfig) -> str:
    """Return 16 hex digits over everything that decides what a build contains."""
    return digest(
        {
            "layout": LAYOUT_VERSION,
            "packages": {str(package): package.integrity for package in PACKAGES},
            "table": table_text(),
            "attribution": attribution(),
            "config": config.model_dump(mode="json"),
        }
    )


def read_done(root: Path) -> dict[str, Any] | None:
    """Return the record of a finished build, or None when there is none at ``root``."""
    try:
        record = json.loads((root / DONE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return record if isinstance(record, dict) else None


def _refuse_unknown(words: Sequence[str], known: Sequence[str]) -> None:
    unknown = sorted(set(words) - set(known))
    if unknown:
        raise ValueError(f"not in the starter table: {', '.join(unknown)} (it has {len(known)} words, e.g. {known[0]})")
