"""The hand-checked table: which emoji depict which Quick, Draw! word, and which words stay unseen.

``words.csv`` was matched by eye, drawings beside pictures. A code point belongs to one word at most; a word has every
emoji that clearly shows it. Words without such an emoji are not in the table (``circle``), nor are those whose drawings
and pictures show different things (``wine bottle`` against a bursting champagne bottle). The unseen words are spread
over animals, vehicles, food, weather, plants, clothes, tools and furniture, and chosen so that none looks like a seen
one: all cars are seen, so are all four-wheeled rescuers.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files

SEEN, UNSEEN = "seen", "unseen"


@dataclass(frozen=True, kw_only=True)
class Word:
    """A Quick, Draw! word, the codes of the emoji that depict it, and its split."""

    word: str
    codes: tuple[str, ...]
    split: str

    @property
    def folder(self) -> str:
        """The word as a folder or file name."""
        return self.word.replace(" ", "_")


def table_text() -> str:
    """Return ``words.csv`` as it is in the package."""
    return files("sketchray.data.starter").joinpath("words.csv").read_text(encoding="utf-8")


def read_words() -> tuple[Word, ...]:
    """Return the table, sorted by word."""
    codes: dict[str, list[str]] = {}
    split: dict[str, str] = {}
    for row in csv.DictReader(table_text().splitlines()):
        codes.setdefault(row["word"], []).append(row["codepoint"])
        split[row["word"]] = row["split"]
    return tuple(Word(word=word, codes=tuple(codes[word]), split=split[word]) for word in sorted(codes))
