"""What a filter is made of: conditions on one column each, and their combinations, evaluated on whole columns."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.filter_values import FilterError, Value, column_kind, convert, quoted, written

Order = Literal["=", "!=", "<", "<=", ">", ">="]
ORDERS: dict[Order, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
Match = Literal["contains", "startswith"]
MATCHES: dict[Match, Callable[..., Any]] = {"contains": pc.match_substring, "startswith": pc.starts_with}
NULL = pa.scalar(None, pa.bool_())


class Term(ABC):
    """A part of a filter: true, false or null for each row. ``str`` of it is its text."""

    @abstractmethod
    def evaluate(self, table: pa.Table) -> Any:
        """Return an Arrow array of booleans and nulls, one a row of a table that `Condition.check` passes."""


@dataclass(frozen=True)
class Condition(Term):
    """A condition on one column.

    Attributes:
        column: its name.
        position: where in the filter's text.
    """

    column: str
    position: int = field(default=0, compare=False, kw_only=True)

    @property
    def values(self) -> tuple[Value, ...]:
        """What the column is compared with."""
        return ()

    def check(self, schema: pa.Schema) -> None:
        """Raise `FilterError` if a table of this schema has no such column, or one of another type."""
        kind = column_kind(schema, self.column, self.position)
        for value in self.values:
            convert(value, kind, self.column, self.position)

    def _operands(self, table: pa.Table) -> tuple[Any, list[Any]]:
        """Return the column, what is not a number in it null, and the values as scalars of its type."""
        column = table[self.column]
        values = [pa.scalar(convert(v, column.type, self.column, self.position), column.type) for v in self.values]
        if pa.types.is_floating(column.type):
            column = pc.add(column, 0.0)  # -0.0 is 0.0, which is_in would tell apart
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        return column, values


@dataclass(frozen=True)
class Comparison(Condition):
    """``column < value``, and the like."""

    order: Order
    value: Value

    def __str__(self) -> str:
        return f"{quoted(self.column)} {self.order} {written(self.value)}"

    @property
    def values(self) -> tuple[Value, ...]:
        return (self.value,)

    def check(self, schema: pa.Schema) -> None:
        super().check(schema)
        if isinstance(self.value, bool) and self.order not in ("=", "!="):
            raise FilterError(f"true and false have no order, so {self.order} does not compare them", self.position)

    def evaluate(self, table: pa.Table) -> Any:
        column, (value,) = self._operands(table)
        return ORDERS[self.order](column, value)


@dataclass(frozen=True)
class Membership(Condition):
    """``column in (value, ...)``."""

    members: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{quoted(self.column)} in ({', '.join(map(written, self.members))})"

    @property
    def values(self) -> tuple[Value, ...]:
        return self.members

    def evaluate(self, table: pa.Table) -> Any:
        column, values = self._operands(table)
        found = pc.is_in(column, value_set=pa.array(values, column.type))
        return pc.if_else(pc.is_valid(column), found, NULL)


@dataclass(frozen=True)
class TextMatch(Condition):
    """``column contains 'text'`` or ``column startswith 'text'``."""

    match: Match
    text: str

    def __str__(self) -> str:
        return f"{quoted(self.column)} {self.match} {written(self.text)}"

    def check(self, schema: pa.Schema) -> None:
        kind = column_kind(schema, self.column, self.position)
        if not pa.types.is_string(kind):
            raise FilterError(f"{self.match} is for texts, and the column {self.column} is not one", self.position)

    def evaluate(self, table: pa.Table) -> Any:
        return MATCHES[self.match](table[self.column], pattern=self.text)


@dataclass(frozen=True)
class IsNull(Condition):
    """``column is null``."""

    def __str__(self) -> str:
        return f"{quoted(self.column)} is null"

    def evaluate(self, table: pa.Table) -> Any:
        return pc.is_null(self._operands(table)[0])


@dataclass(frozen=True)
class Not(Term):
    """``not term``."""

    term: Term

    def __str__(self) -> str:
        return f"not {_inner(self.term)}"

    def evaluate(self, table: pa.Table) -> Any:
        return pc.invert(self.term.evaluate(table))


@dataclass(frozen=True)
class Group(Term):
    """``term and term ...`` or ``term or term ...``, two or more."""

    word: Literal["and", "or"]
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return f" {self.word} ".join(map(_inner, self.terms))

    def evaluate(self, table: pa.Table) -> Any:
        combine = pc.and_kleene if self.word == "and" else pc.or_kleene
        result = self.terms[0].evaluate(table)
        for term in self.terms[1:]:
            result = combine(result, term.evaluate(table))
        return result


def _inner(term: Term) -> str:
    return f"({term})" if isinstance(term, Group) else str(term)
