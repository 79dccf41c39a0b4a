"""Pictures that a Parquet or CSV file names by URI, with what else it says of them."""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.data.samples import sample_id
from sketchray.gallery.manifest import Column
from sketchray.gallery.source_columns import metadata_column, read_columns, text_column
from sketchray.gallery.source_etags import find_etags
from sketchray.gallery.source_rows import LISTING, Problem, listing_problem
from sketchray.storage import Store, locate, open_store

OWN = ("uri", "id", "label", "etag")
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
TABLES = (".parquet", ".csv")
CHUNK = 1 << 16
ROWS = LISTING.remove(3).insert(3, pa.field("etag", pa.string())).append(pa.field("row", pa.int64(), nullable=False))


def list_table(uri: str, problems: list[Problem]) -> tuple[pa.Table, tuple[Column, ...]]:
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
        problems: to be added to: rows without a URI that can be read, without an id, with the URI or id of an earlier
            row, and pictures that are not there.

    Returns:
        The pictures (`LISTING` and the metadata, in the file's order; ``key`` is the absolute URI), and the metadata
        columns.

    Raises:
        ValueError: not readable, no column ``uri``, a column of another type, or one that a gallery cannot have.
        StoreError: the file cannot be read, or a store does not answer.
    """
    store, key = locate(uri)
    where = store.uri_of(key)
    columns = read_columns(where, store.read(key), texts=OWN)
    if "uri" not in columns:
        raise ValueError(f"{where}: a column 'uri' is missing; there are {', '.join(columns)}")
    own = {name: text_column(where, name, columns[name]) for name in OWN if name in columns}
    metadata = [metadata_column(where, name, column) for name, column in columns.items() if name not in OWN]
    pictures = _identified(where, own, problems)
    for column, values in metadata:
        pictures = pictures.append_column(column.name, pc.take(values, pictures["row"]))
    for name in ("uri", "id"):
        pictures = _first_of_each(where, name, pictures, problems)
    described = tuple(column for column, _ in metadata)
    pictures = find_etags(pictures, problems).select([*LISTING.names, *(column.name for column in described)])
    schema = pa.schema([*LISTING, *(pictures.schema.field(column.name) for column in described)])
    return pictures.cast(schema), described


def _identified(where: str, own: Mapping[str, Any], problems: list[Problem]) -> pa.Table:
    """Return the rows that have an id and a URI: `LISTING`, the etag null where it is not given, and ``row``."""
    folder = open_store(where.rpartition("/")[0])
    rows = len(own["uri"])
    chunks = []
    for first in range(0, rows, CHUNK):
        given = {name: column.slice(first, CHUNK).to_pylist() for name, column in own.items()}
        kept: list[tuple[int, str, str]] = []
        for row, uri in enumerate(given["uri"]):
            try:
                place = _absolute(folder, uri)
                kept.append((row, _checked(given["id"][row]) if "id" in given else sample_id(place), place))
            except ValueError as error:
                problems.append(listing_problem(uri or where, f"row {first + row + 1} of {where}: {error}"))
        indices, ids, uris = zip(*kept, strict=True) if kept else ((), (), ())
        taken = {name: [given[name][row] if name in given else None for row in indices] for name in ("etag", "label")}
        chunk = [ids, uris, uris, taken["etag"], taken["label"], [first + row for row in indices]]
        chunks.append(pa.table([list(column) for column in chunk], schema=ROWS))
    return pa.concat_tables([ROWS.empty_table(), *chunks])


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


def _first_of_each(where: str, name: str, pictures: pa.Table, problems: list[Problem]) -> pa.Table:
    """Return the rows with those that repeat a uri or id of an earlier row left out."""
    first = pictures.group_by(name).aggregate([("row", "min")])
    is_first = pc.is_in(pictures["row"], value_set=first["row_min"])
    for repeated in pictures.filter(pc.invert(is_first)).select(["uri", "row"]).to_pylist():
        reason = f"row {repeated['row'] + 1} of {where}: an earlier row has the same {name}"
        problems.append(listing_problem(repeated["uri"], reason))
    return pictures.filter(is_first)
