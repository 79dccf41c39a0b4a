"""Columns of a table of pictures: read from Parquet or CSV, and brought to the types that a gallery has."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from sketchray.gallery.manifest import RESERVED, Column
from sketchray.gallery.segment import COLUMN_TYPES
from sketchray.gallery.source_rows import LISTING

EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # what Python's datetime has, in microseconds


def read_columns(where: str, data: bytes, *, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns of a ``.parquet`` or ``.csv`` file by name.

    Args:
        where: its URI.
        data: its bytes.
        texts: columns that hold texts, whatever those of a CSV file look like.

    Raises:
        ValueError: not readable, or two columns have one name.
    """
    try:
        is_csv = where.lower().endswith(".csv")
        table = _read_csv(data, texts) if is_csv else pq.ParquetFile(pa.BufferReader(data)).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{where}: not readable as a table ({error})") from error
    names = table.schema.names
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{where}: there are two columns {twice[0]!r}")
    return dict(zip(names, table.columns, strict=True))


def text_column(where: str, name: str, column: Any) -> Any:
    """Return a column of texts as Arrow strings; ValueError if it is of another type."""
    if _type_of(column.type) != "string":
        raise ValueError(f"{where}: the column {name!r} is {column.type}, and must be string")
    return _cast(where, name, column, pa.string())


def metadata_column(where: str, name: str, column: Any) -> tuple[Column, Any]:
    """Return what a metadata column is called and its values, of the type that a gallery has for them.

    Raises:
        ValueError: its name is one of a gallery's own columns, its type is none of a gallery's, or a value does not fit
            into it; the message names the row.
    """
    if not name or name in RESERVED | set(LISTING.names):
        raise ValueError(f"{where}: a metadata column cannot be called {name!r}")
    kind = _type_of(column.type)
    if kind is None:
        raise ValueError(f"{where}: the column {name!r} is {column.type}; metadata is {', '.join(COLUMN_TYPES)}")
    values = _cast(where, name, column, COLUMN_TYPES[kind])
    if kind == "float64":
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    return Column(name=name, type=kind), values


def _read_csv(data: bytes, texts: tuple[str, ...]) -> pa.Table:
    return pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(use_threads=False),  # so that an error has a row
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(texts, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


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


def _cast(where: str, name: str, column: Any, kind: Any) -> Any:
    try:
        return _converted(column, kind)
    except pa.ArrowInvalid as error:
        row = next(row for row in range(len(column)) if not _converts(column.slice(row, 1), kind))
        raise ValueError(f"{where}: the column {name!r}, row {row + 1}: {error}") from error


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
