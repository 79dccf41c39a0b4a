"""Pictures that a Parquet or CSV file names by URI, with what else it says of them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.data.samples import sample_id
from sketchray.gallery.manifest import Column
from sketchray.gallery.pile import Pile
from sketchray.gallery.source_columns import metadata_column, text_column
from sketchray.gallery.source_etags import find_etags
from sketchray.gallery.source_files import open_table_file
from sketchray.gallery.source_rows import LISTING, Problem, listing_problem
from sketchray.storage import Store, locate, open_store

OWN = ("uri", "id", "label", "etag")
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
TABLES = (".parquet", ".csv")
CHUNK = 1 << 14  # rows that are Python objects at a time
COMPARED = 100_000  # rows, about, among which repeated ones are looked for at a time
ROWS = LISTING.remove(3).insert(3, pa.field("etag", pa.string())).append(pa.field("row", pa.int64(), nullable=False))


def list_table(uri: str, problems: list[Problem]) -> tuple[Iterator[pa.Table], tuple[Column, ...]]:
    """List the pictures that a file names.

    =============  ====================================================================================================
    ``uri``        where a picture is: absolute, or relative to the file's own folder
    ``id``         optional: letters, digits, ``_`` and ``-``, at most 64; otherwise it is a digest of the absolute URI
    ``label``      optional: what the picture shows
    ``etag``       optional: changes whenever the picture does; otherwise, or where it is null, the store is asked
    all others     metadata: texts, integers, floating-point numbers, booleans, dates and times; null where unknown
    =============  ====================================================================================================

    In a CSV file, which has a header, an empty field is null and types are told from the values. A floating-point
    number that is not finite becomes null; times are kept in microseconds, in UTC if they name no zone.

    Args:
        uri: of a ``.parquet`` or ``.csv`` file.
        problems: to be added to while the pictures come: rows without a URI that can be read, without an id, with the
            URI or id of an earlier row, and pictures that are not there.

    Returns:
        The pictures (`LISTING` and the metadata, some at a time, in no order; ``key`` is the absolute URI), and the
        metadata columns.

    Raises:
        ValueError: not readable, no column ``uri``, a column of another type, or one that a gallery cannot have; what
            is wrong with a value, and not with the columns, shows only when the pictures come.
        StoreError: the file cannot be read, or a store does not answer.
    """
    store, key = locate(uri)
    where = store.uri_of(key)
    file = open_table_file(store, key, rows=CHUNK, texts=OWN)
    if "uri" not in file.schema.names:
        raise ValueError(f"{where}: a column 'uri' is missing; there are {', '.join(file.schema.names)}")
    _, metadata = _typed(where, file.schema.empty_table(), 0)
    columns = tuple(column for column, _ in metadata)
    return _pictures(where, file.tables, columns, problems), columns


def _pictures(
    where: str, tables: Iterable[pa.Table], columns: Sequence[Column], problems: list[Problem]
) -> Iterator[pa.Table]:
    rows, first = Pile(), 0
    for table in tables:
        own, metadata = _typed(where, table, first)
        named = _identified(where, own, problems, first)
        taken = pc.subtract(named["row"], first)
        for column, values in metadata:
            named = named.append_column(column.name, pc.take(values, taken))
        rows.add(0, named)
        first += table.num_rows
    for name in ("uri", "id"):
        rows = _first_of_each(where, name, rows, problems)
    names = [*LISTING.names, *(column.name for column in columns)]
    schema = pa.schema([*LISTING, *(rows.schema.field(column.name) for column in columns)])
    for shard in range(len(rows.rows)):
        yield find_etags(rows.rows_of(shard), problems).select(names).cast(schema)


def _typed(where: str, table: pa.Table, first: int) -> tuple[dict[str, Any], list[tuple[Column, Any]]]:
    """Return a file's own columns and its metadata, of the types that a gallery has."""
    names = table.schema.names
    own = {name: text_column(where, name, table[name], first=first) for name in OWN if name in names}
    return own, [metadata_column(where, name, table[name], first=first) for name in names if name not in OWN]


def _identified(where: str, own: Mapping[str, Any], problems: list[Problem], first: int) -> pa.Table:
    """Return the rows that have an id and a URI: `LISTING`, the etag null where it is not given, and ``row``."""
    folder = open_store(where.rpartition("/")[0])
    given = {name: column.to_pylist() for name, column in own.items()}
    kept: list[tuple[int, str, str]] = []
    for row, uri in enumerate(given["uri"]):
        try:
            place = _absolute(folder, uri)
            kept.append((row, _checked(given["id"][row]) if "id" in given else sample_id(place), place))
        except ValueError as error:
            problems.append(listing_problem(uri or where, f"row {first + row + 1} of {where}: {error}"))
    indices, ids, uris = zip(*kept, strict=True) if kept else ((), (), ())
    taken = {name: [given[name][row] if name in given else None for row in indices] for name in ("etag", "label")}
    columns = [ids, uris, uris, taken["etag"], taken["label"], [first + row for row in indices]]
    return pa.table([list(column) for column in columns], schema=ROWS)


def _absolute(folder: Store, uri: str | None) -> str:
    if not uri:
        raise ValueError("it has no uri")
    relative = "://" not in uri and not uri.startswith("/")
    store, key = (folder, uri) if relative else locate(uri)
    return store.uri_of(key)


def _checked(identity: str | None) -> str:
    if identity is None or not ID.fullmatch(identity):
        shown = "none" if identity is None else repr(identity[:80])
        raise ValueError(f"its id is {shown}; an id has letters, digits, '_' and '-', at most 64")
    return identity


def _first_of_each(where: str, name: str, pictures: Pile, problems: list[Problem]) -> Pile:
    """Return the rows with those that repeat a uri or id of an earlier row left out."""
    divided = pictures.divide(max(1, -(-sum(pictures.rows) // COMPARED)), by=name)
    kept = Pile(len(divided.rows))
    for shard in range(len(divided.rows)):
        rows = divided.rows_of(shard)
        first = rows.group_by(name).aggregate([("row", "min")])
        is_first = pc.is_in(rows["row"], value_set=first["row_min"])
        for repeated in rows.filter(pc.invert(is_first)).select(["uri", "row"]).to_pylist():
            reason = f"row {repeated['row'] + 1} of {where}: an earlier row has the same {name}"
            problems.append(listing_problem(repeated["uri"], reason))
        kept.add(shard, rows.filter(is_first))
    divided.close()
    return kept
