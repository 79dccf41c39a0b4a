"""Which pictures a gallery is made of: those of bucket prefixes and folders, or those that a table names."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from sketchray.data.folder import PICTURES
from sketchray.gallery.manifest import Column
from sketchray.gallery.source_prefixes import list_prefixes
from sketchray.gallery.source_rows import LISTING, Problem
from sketchray.gallery.source_table import TABLES, list_table
from sketchray.storage import open_store

__all__ = ["LISTING", "Listing", "Problem", "list_source", "listing_digest"]
DIGEST_ROWS = 1 << 16


class Listing(NamedTuple):
    """What a source holds.

    Attributes:
        pictures: `LISTING` and the metadata columns, sorted by id; ids and uris are unique. A picture is read by its
            ``uri`` alone (`sketchray.storage.read_uri`).
        columns: the metadata columns.
        problems: ``uri``, ``stage`` (``list``) and ``reason`` of what cannot be a picture of the gallery.
    """

    pictures: pa.Table
    columns: tuple[Column, ...]
    problems: list[Problem]


def list_source(sources: Sequence[str], *, exclude: Sequence[str] = ()) -> Listing:
    """List a gallery's pictures.

    Args:
        sources: URIs of bucket prefixes or folders (see `list_prefixes`), or of one Parquet or CSV file that names
            pictures by URI (see `list_table`). ``s3://profile@bucket/prefix`` is on another endpoint than the store,
            or takes other credentials (see `sketchray.storage.open_store`).
        exclude: key prefixes to leave out, below each prefix or folder.

    Raises:
        ValueError: no source, one named twice, a table beside others, a table that cannot be used, or no picture.
        StoreError: a source cannot be read.
    """
    stores = [open_store(source) for source in sources]
    uris = [store.uri for store in stores]
    if not stores:
        raise ValueError("there is no source")
    if twice := [uri for uri in uris if uris.count(uri) > 1]:
        raise ValueError(f"{twice[0]}: this source is named twice")
    tables = [uri for uri in uris if uri.lower().endswith(TABLES)]
    if tables and len(uris) > 1:
        raise ValueError(f"{tables[0]}: a table of URIs is a source alone; beside it is {', '.join(uris)}")
    pictures, columns, problems = list_table(tables[0]) if tables else list_prefixes(stores, exclude=exclude)
    if not pictures.num_rows and not problems:
        raise ValueError(f"{', '.join(uris)}: no picture there ({', '.join(PICTURES)})")
    return Listing(pictures.sort_by("id"), columns, problems)


def listing_digest(pictures: pa.Table) -> str:
    """Return 16 hex digits over the pictures' ids, places, etags, labels and metadata."""
    hashed = hashlib.sha256(json.dumps(pictures.schema.names).encode())
    for first in range(0, pictures.num_rows, DIGEST_ROWS):
        part = pictures.slice(first, DIGEST_ROWS)
        for name in part.schema.names:
            hashed.update(json.dumps(part[name].to_pylist(), default=str).encode())
    return hashed.hexdigest()[:16]
