"""Values and names in a filter: how they are written, and which of them a column can be compared with."""

import difflib
import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from sketchray.gallery.segment import COLUMN_TYPES

Value = str | int | float | bool
WORD = re.compile(r"[^\W\d]\w*")
KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "contains", "startswith", "true", "false"})
LARGEST = 2**63 - 1
SHOWN = 60  # characters of what somebody sent, in a message
EXAMPLES = {
    "string": "a text in quotes",
    "int64": "a whole number of 64 bits",
    "float64": "a number",
    "bool": "true or false",
    "timestamp": "a time like '2024-05-01' or '2024-05-01T10:30:00+02:00'",
}


class FilterError(ValueError):
    """A filter that cannot be read, or does not fit the gallery's columns.

    Attributes:
        reason: what is wrong.
        position: where in the filter's text, as the number of characters before it.
    """

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"filter, character {position + 1}: {reason}")
        self.reason, self.position = reason, position

    def __reduce__(self) -> tuple[type["FilterError"], tuple[str, int]]:  # it travels from shards to the ingress
        return FilterError, (self.reason, self.position)


def quoted(name: str) -> str:
    """Return a column's name as a filter has it: in quotes only if it must be."""
    if WORD.fullmatch(name) and name.lower() not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def written(value: Value) -> str:
    """Return a value as a filter has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def shown(text: str) -> str:
    """Return a text, or its beginning if it is long."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def column_kind(schema: pa.Schema, column: str, position: int) -> Any:
    """Return the Arrow type of a column, one of `COLUMN_TYPES`.

    Raises:
        FilterError: there is no such column, or it is of another type.
    """
    usable = [name for name in schema.names if schema.field(name).type in COLUMN_TYPES.values()]
    if column in usable:
        return schema.field(column).type
    if column in schema.names:
        raise FilterError(f"the column {shown(column)} cannot be filtered by", position)
    near = difflib.get_close_matches(column, usable, n=1)
    hint = f"is it {near[0]}?" if near else f"there are {', '.join(usable)}"
    raise FilterError(f"there is no column {shown(column)}; {hint}", position)


def convert(value: Value, kind: Any, column: str, position: int) -> Any:
    """Return a value as Python has those of an Arrow type.

    Raises:
        FilterError: it is no value of that type.
    """
    name = next(name for name, known in COLUMN_TYPES.items() if known == kind)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (name == "string" and isinstance(value, str)) or (name == "bool" and isinstance(value, bool)):
        return value
    if name == "int64" and number and value == int(value) and -LARGEST - 1 <= value <= LARGEST:
        return int(value)
    if name == "float64" and number:
        return float(value) + 0.0  # -0.0 is 0.0
    if name == "timestamp" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise FilterError(f"{shown(written(value))} is not {EXAMPLES[name]}, as the column {column} has", position)
