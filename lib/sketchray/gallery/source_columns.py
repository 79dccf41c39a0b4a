"""Columns of a table of pictures, brought to the types that a gallery has."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.manifest import RESERVED, Column
from sketchray.gallery.segment import COLUMN_TYPES
from sketchray.gallery.source_rows import LISTING

EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # what Python's datetime has, in microseconds


def text_column(where: str, name: str, column: Any, *, first: int = 0) -> Any:
    """Return a column of texts as Arrow strings; ValueError if it is of another type. `first` is its first row."""
    if _type_of(column.type) != "string":
        raise ValueError(f"{where}: the column {name!r} is {column.type}, and must be string")
    return _cast(where, name, column, pa.string(), first)


def metadata_column(where: str, name: str, column: Any, *, first: int = 0) -> tuple[Column, Any]:
    """Return what a metadata column is called and its values, of the type that a gallery has for them.

    Args:
        where: URI of the file.
        name: of the column.
        column: its values, or some of them.
        first: the row of the first of these.

    Raises:
        ValueError: its name is one of a gallery's own columns, its type is none of a gallery's, or a value does not fit
            into it; the message names the row.
    """
    if not name or name in RESERVED | set(LISTING.names):
        raise ValueError(f"{where}: a metadata column cannot be called {name!r}")
    kind = _type_of(column.type)
    if kind is None:
        raise ValueError(f"{where}: the column {name!r} is {column.type}; metadata is {', '.join(COLUMN_TYPES)}")
    values = _cast(where, name, column, COLUMN_TYPES[kind], first)
    if kind == "float64":
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    return Column(name=name, type=kind), values


def _type_of(kind: Any) -> str | None:
    types = pa.types
    if types.is_dictionary(kind):
        return _type_of(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind) or types.is_time(kind):
        return "string"
    if types.is_integer(kind):
        return "int64"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "float64"
    if types.is_boolean(kind):
        return "bool"
    return "timestamp" if types.is_timestamp(kind) or types.is_date(kind) else None


def _cast(where: str, name: str, column: Any, kind: Any, first: int) -> Any:
    try:
        return _converted(column, kind)
    except pa.ArrowInvalid as error:
        row = next(row for row in range(len(column)) if not _converts(column.slice(row, 1), kind))
        raise ValueError(f"{where}: the column {name!r}, row {first + row + 1}: {error}") from error


def _converts(column: Any, kind: Any) -> bool:
    try:
        _converted(column, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _converted(column: Any, kind: Any) -> Any:
    column.validate(full=True)  # texts are UTF-8
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    exact = not (pa.types.is_timestamp(column.type) and column.type.unit == "ns")  # what is finer than kept, goes
    values = column.cast(kind, safe=exact)
    if kind == COLUMN_TYPES["timestamp"]:
        ends = pc.min_max(values)
        if ends["min"].is_valid and (ends["min"].value < EARLIEST or ends["max"].value > LATEST):
            raise pa.ArrowInvalid("a time beyond the years 1 to 9999")
    return values
