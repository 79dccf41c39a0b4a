"""Filters on a gallery's columns: ``label in ('cat', 'dog') and taken >= '2024-05-01' and not price > 9.5``.

=============================================  =====================================================================
``column = value``                             also ``!=``, ``<``, ``<=``, ``>``, ``>=``
``column in (value, value, ...)``              also ``not in``
``column contains 'text'``                     also ``startswith``, and ``not`` before either; case counts
``column is null``                             also ``is not null``
``a and b``, ``a or b``, ``not a``, ``(a)``    ``not`` binds closest, then ``and``, then ``or``
=============================================  =====================================================================

Columns are ``id``, ``uri``, ``etag``, ``label`` and the gallery's metadata columns. A name that is not a word, or is
one of the words above, stands in quotes. A value is a text in quotes, a number, ``true`` or ``false``; a quote within
quotes of its own kind is doubled: ``'it''s'`` or ``"it's"``. The words of the grammar may be in capitals.

Types must agree: a ``string`` is compared with a text (in the order of its code points), an ``int64`` with a whole
number, a ``float64`` with a number, a ``bool`` (by ``=``, ``!=`` and ``in`` only) with ``true`` or ``false``, and a
``timestamp`` with an ISO 8601 text, ``'2024-05-01'`` or ``'2024-05-01T10:30:00+02:00'``, in UTC if it does not say.

Logic is SQL's: a comparison with null is neither true nor false, ``not`` of that is so too, and only what is true
matches. So ``price != 3`` finds no picture without a price; ``price is null or price != 3`` does. A ``float64`` that is
not a number counts as null.

A filter has at most 65,536 characters, 256 conditions and 64 levels of parentheses and ``not``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sketchray.gallery.filter_syntax import parse_term
from sketchray.gallery.filter_terms import Condition, Group, Not, Term
from sketchray.gallery.filter_values import FilterError

__all__ = ["Filter", "FilterError", "parse_filter"]


def parse_filter(text: str) -> "Filter":
    """Read a filter.

    Raises:
        FilterError: not of the grammar above; the message and ``position`` say where.
    """
    return Filter(parse_term(text))


@dataclass(frozen=True)
class Filter:
    """A parsed filter; ``str`` of it is a text that parses to the same one. It can be pickled."""

    term: Term

    def __str__(self) -> str:
        return str(self.term)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that a table must have."""
        return frozenset(condition.column for condition in _conditions(self.term))

    def check(self, schema: pa.Schema) -> None:
        """Refuse a table that the filter does not fit.

        Args:
            schema: of the tables to come.

        Raises:
            FilterError: no such column (with the nearest), or a value of another type than its column's.
        """
        for condition in _conditions(self.term):
            condition.check(schema)

    def mask(self, table: pa.Table) -> NDArray[np.bool_]:
        """Return which rows match, bool (rows,).

        Args:
            table: has the filter's `columns`; others are not looked at.

        Raises:
            FilterError: as `check`.
        """
        self.check(table.schema)
        matches = pc.fill_null(self.term.evaluate(table), False)
        return np.asarray(matches.to_numpy(), dtype=np.bool_)


def _conditions(term: Term) -> Iterator[Condition]:
    if isinstance(term, Condition):
        yield term
    elif isinstance(term, Not):
        yield from _conditions(term.term)
    else:
        assert isinstance(term, Group)
        for part in term.terms:
            yield from _conditions(part)
