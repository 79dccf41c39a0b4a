"""The reader of filters: one pass over the text, nothing tried twice, with bounds on length, depth and conditions."""

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from sketchray.gallery.filter_terms import (
    MATCHES,
    ORDERS,
    Comparison,
    Group,
    IsNull,
    Membership,
    Not,
    Term,
    TextMatch,
)
from sketchray.gallery.filter_values import KEYWORDS, WORD, FilterError, Value, shown

LENGTH, CONDITIONS, DEPTH = 65_536, 256, 64
TOKEN = re.compile(
    r"""
      (?P<quoted> '(?:[^']|'')*+' | "(?:[^"]|"")*+" )
    | (?P<number> [-+]?[0-9]++(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?(?![\w.]) )
    | (?P<word>   WORD )
    | (?P<symbol> [<>!]= | [<>=(),] )
    """.replace("WORD", WORD.pattern),
    re.VERBOSE,
)
SPACE = re.compile(r"\s*")


class Token(NamedTuple):
    """A piece of the text: ``text`` is a quoted text without its quotes, a keyword in small letters, ``""`` the end."""

    kind: Literal["quoted", "number", "word", "keyword", "symbol", "end"]
    text: str
    position: int


def parse_term(text: str) -> Term:
    """Read a filter's text; `FilterError` if it is none."""
    if len(text) > LENGTH:
        raise FilterError(f"it has {len(text):,} characters, and {LENGTH:,} are allowed", LENGTH)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError("half of a surrogate pair is no character", error.start) from error
    return _Parser(list(_tokens(text))).parse()


def _tokens(text: str) -> Iterator[Token]:
    position = _after_space(text, 0)
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            opened = text[position] in "'\""
            raise FilterError("a quote that is not closed" if opened else f"{text[position]!r} here", position)
        piece = found.group()
        if found["quoted"]:
            yield Token("quoted", piece[1:-1].replace(piece[0] * 2, piece[0]), position)
        elif found["number"]:
            yield Token("number", piece, position)
        elif found["symbol"]:
            yield Token("symbol", piece, position)
        else:
            keyword = piece.lower() in KEYWORDS
            yield Token("keyword", piece.lower(), position) if keyword else Token("word", piece, position)
        position = _after_space(text, found.end())
    yield Token("end", "", len(text))


def _after_space(text: str, position: int) -> int:
    found = SPACE.match(text, position)
    assert found is not None
    return found.end()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._index, self._depth, self._conditions = tokens, 0, 0, 0

    def parse(self) -> Term:
        term = self._any()
        if self._next.kind != "end":
            raise self._failure("and, or or the end")
        return term

    def _any(self) -> Term:
        return self._group("or", self._all)

    def _all(self) -> Term:
        return self._group("and", self._one)

    def _group(self, word: Literal["and", "or"], part: Callable[[], Term]) -> Term:
        terms = [part()]
        while self._take(word):
            terms.append(part())
        return terms[0] if len(terms) == 1 else Group(word, tuple(terms))

    def _one(self) -> Term:
        if self._take("not"):
            with self._deeper():
                return Not(self._one())
        if self._take("("):
            with self._deeper():
                term = self._any()
            self._expect(")")
            return term
        return self._condition()

    def _condition(self) -> Term:
        column, position = self._next.text, self._next.position
        if self._next.kind not in ("word", "quoted"):
            raise self._failure("a column")
        self._conditions += 1
        if self._conditions > CONDITIONS:
            raise FilterError(f"there are more than {CONDITIONS} conditions", position)
        self._index += 1
        if self._take("is"):
            negated = self._take("not")
            self._expect("null")
            return self._negate(negated, IsNull(column, position=position))
        negated = self._take("not")
        if self._take("in"):
            return self._negate(negated, Membership(column, self._members(), position=position))
        for match in MATCHES:
            if self._take(match):
                return self._negate(negated, TextMatch(column, match, self._text(), position=position))
        for order in ORDERS:
            if not negated and self._take(order):
                return Comparison(column, order, self._value(), position=position)
        raise self._failure("in, contains or startswith" if negated else "a comparison (=, in, contains, is null, ...)")

    def _members(self) -> tuple[Value, ...]:
        self._expect("(")
        members = [self._value()]
        while self._take(","):
            members.append(self._value())
        self._expect(")")
        return tuple(members)

    def _text(self) -> str:
        if self._next.kind != "quoted":
            raise self._failure("a text in quotes")
        self._index += 1
        return self._tokens[self._index - 1].text

    def _value(self) -> Value:
        kind, text, position = self._next
        if kind == "quoted":
            return self._text()
        if self._take("true") or self._take("false"):
            return text == "true"
        if kind != "number":
            raise self._failure("a value (a text in quotes, a number, true or false; null only after is)")
        self._index += 1
        if not math.isfinite(float(text)):
            raise FilterError(f"the number {shown(text)} is too large", position)
        return int(text) if text.lstrip("+-").isdecimal() else float(text)

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _take(self, text: str) -> bool:
        found = self._next.kind in ("keyword", "symbol") and self._next.text == text
        self._index += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._failure(text)

    @staticmethod
    def _negate(negated: bool, term: Term) -> Term:
        return Not(term) if negated else term

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEPTH:
            raise FilterError(f"more than {DEPTH} levels of parentheses and not", self._next.position)
        yield
        self._depth -= 1

    def _failure(self, expected: str) -> FilterError:
        found = shown(self._next.text) if self._next.kind != "end" else "the end"
        return FilterError(f"expected {expected}, found {found}", self._next.position)
