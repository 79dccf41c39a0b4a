"""Tables of a segment as Parquet objects: the same rows give the same bytes, and bytes are hashed before parsing."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sketchray.gallery.manifest import Column, GalleryError, ObjectRef
from sketchray.storage import Store

THUMBNAILS = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("jpeg", pa.large_binary())])
TOMBSTONES = pa.schema([pa.field("id", pa.string(), nullable=False)])
REPORT = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("uri", "stage", "reason")])


COLUMN_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def vector_schema(dimension: int, columns: Sequence[Column] = ()) -> pa.Schema:
    """Return the schema of a vectors object: the format's own columns around the gallery's metadata columns.

    ``embedding`` is float32 of unit length; ``label`` and the metadata may be null.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("uri", pa.string(), nullable=False),
            pa.field("etag", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            *(pa.field(column.name, COLUMN_TYPES[column.type]) for column in columns),
            pa.field("embedding", embedding_type(dimension), nullable=False),
        ]
    )


def codes_schema(chunks: Mapping[str, int]) -> pa.Schema:
    """Return the schema of a codes object: for each codebook by name, the number of the codeword of every chunk."""
    code = pa.field("element", pa.uint16(), nullable=False)
    return pa.schema([pa.field(name, pa.list_(code, count), nullable=False) for name, count in chunks.items()])


def embedding_type(dimension: int) -> Any:
    """Return the Arrow type of an embedding column: a fixed-size list of ``dimension`` float32."""
    return pa.list_(pa.field("element", pa.float32(), nullable=False), dimension)


def embedding_column(embedding_ND: np.ndarray) -> Any:
    """Return the Arrow array of N embeddings."""
    flat = pa.array(np.ascontiguousarray(embedding_ND, dtype=np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, type=embedding_type(embedding_ND.shape[1]))


def embedding_matrix(table: pa.Table) -> np.ndarray:
    """Return embedding_ND float32 of a table with an ``embedding`` column."""
    column = table["embedding"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(table.num_rows, table.schema.field("embedding").type.list_size)


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet, uncompressed: neither vectors nor JPEGs get smaller."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="NONE", use_dictionary=False, row_group_size=1 << 16)
    return sink.getvalue()


def short_hash(data: bytes) -> str:
    """Return what tells an object's key from those of other contents: 12 hex digits."""
    return hashlib.sha256(data).hexdigest()[:12]


def describe(key: str, data: bytes, rows: int) -> ObjectRef:
    """Return the reference of an object that holds these bytes."""
    return ObjectRef(key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest(), rows=rows)


def read_object(gallery: Store, reference: ObjectRef) -> bytes:
    """Read one object of a gallery whole, and return it only if its size and hash are the manifest's.

    Raises:
        GalleryError: truncated or altered; the object is named.
        NotFound: the object is gone.
    """
    data, uri = gallery.read(reference.key), gallery.uri_of(reference.key)
    if len(data) != reference.size:
        raise GalleryError(f"{uri}: {len(data)} bytes where the manifest says {reference.size}; truncated or replaced")
    if hashlib.sha256(data).hexdigest() != reference.sha256:
        raise GalleryError(f"{uri}: its SHA-256 is not the manifest's; the object was altered")
    return data


def open_table(gallery: Store, reference: ObjectRef, schema: pa.Schema) -> pq.ParquetFile:
    """Read one Parquet object of a gallery, checking its size and hash before a byte of it is parsed.

    Raises:
        GalleryError: truncated, altered, or not the table that the manifest describes; the object is named.
        NotFound: the object is gone.
    """
    data, uri = read_object(gallery, reference), gallery.uri_of(reference.key)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise GalleryError(f"{uri}: not readable as Parquet ({error})") from error
    if not file.schema_arrow.equals(schema):
        raise GalleryError(f"{uri}: columns {file.schema_arrow.names} are not those of this format, {schema.names}")
    if file.metadata.num_rows != reference.rows:
        raise GalleryError(f"{uri}: {file.metadata.num_rows} rows where the manifest says {reference.rows}")
    return file


def read_table(
    gallery: Store,
    reference: ObjectRef,
    schema: pa.Schema,
    *,
    columns: Sequence[str] | None = None,
    sorted_by_id: bool = True,
) -> pa.Table:
    """Read the table of one object, see `open_table`.

    Args:
        gallery: where the object is.
        reference: what the manifest says of it.
        schema: that it must have.
        columns: those to return; all if not given.
        sorted_by_id: whether its ids must be in strictly ascending order.

    Raises:
        GalleryError: as `open_table`.
        NotFound: the object is gone.
    """
    table = open_table(gallery, reference, schema).read(None if columns is None else list(columns))
    if sorted_by_id:  # then "id" is among the columns
        check_order(table, where=gallery.uri_of(reference.key))
    return table


def check_order(table: pa.Table, *, where: str) -> None:
    """Raise GalleryError, naming ``where``, if the ids are not in strictly ascending order."""
    ids = table["id"].combine_chunks()
    if not pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py():
        raise GalleryError(f"{where}: its ids are not in strictly ascending order")
