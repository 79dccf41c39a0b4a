"""Files that name pictures: opened, and read some rows at a time."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sketchray.storage import NotFound, Store


class TableFile(NamedTuple):
    """A file's columns, and its rows in their order: one table at least, be it empty."""

    schema: pa.Schema
    tables: Iterator[pa.Table]


def open_table_file(store: Store, key: str, *, rows: int, texts: tuple[str, ...]) -> TableFile:
    """Open a ``.parquet`` or ``.csv`` file.

    Of Parquet a row group at a time is in memory. A CSV file is there whole, since what type a column has is told from
    all its values.

    Args:
        store: where it is.
        key: its key there.
        rows: of a table at most.
        texts: columns that hold texts, whatever those of a CSV file look like.

    Raises:
        ValueError: not readable, which may show only when the tables are read, or two columns have one name.
        StoreError: the store does not have it, or does not give it.
    """
    where = store.uri_of(key)
    if key.lower().endswith(".csv"):
        data = store.read(key)
        with _named(where):
            whole = _read_csv(data, texts)
        schema, tables = whole.schema, (whole.slice(first, rows) for first in range(0, whole.num_rows, rows))
    else:
        if store.head(key) is None:
            raise NotFound(f"{where}: no such object")
        filesystem, base = store.arrow()
        with _named(where):
            file = pq.ParquetFile(filesystem.open_input_file(f"{base}/{key}"))
        schema, tables = file.schema_arrow, (pa.Table.from_batches([batch]) for batch in file.iter_batches(rows))
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise ValueError(f"{where}: there are two columns {twice[0]!r}")
    return TableFile(schema, _read(where, itertools.chain([schema.empty_table()], tables)))


def _read(where: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    remaining = iter(tables)
    while True:
        with _named(where):
            table = next(remaining, None)
        if table is None:
            return
        yield table


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{where}: not readable as a table ({error})") from error


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
