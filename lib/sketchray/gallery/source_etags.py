"""Etags of pictures that a table names: the store is asked for those that the table does not give."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.source_rows import Problem, listing_problem
from sketchray.storage import AccessDenied, BucketMissing, locate

READERS = 32
CHUNK = 1 << 13  # questions that wait for an answer


def find_etags(pictures: pa.Table, problems: list[Problem]) -> pa.Table:
    """Return the pictures with every ``etag`` there; one whose object cannot be found becomes a problem.

    Args:
        pictures: has ``uri`` and ``etag``, null where it is not known.
        problems: to be added to.

    Raises:
        StoreError: a store does not answer.
    """
    chunks: list[Any] = []
    with ThreadPoolExecutor(READERS) as pool:
        for first in range(0, pictures.num_rows, CHUNK):
            part = pictures.slice(first, CHUNK)
            given = part["etag"].combine_chunks()
            unknown = pc.is_null(given)
            uris = part["uri"].filter(unknown).to_pylist()
            found = list(pool.map(_etag, uris))
            reasons = [reason for _, reason in found]
            problems.extend(listing_problem(uri, why) for uri, why in zip(uris, reasons, strict=True) if why)
            etag = pc.replace_with_mask(given, unknown, pa.array([etag for etag, _ in found], pa.string()))
            chunks.append(part.set_column(part.schema.get_field_index("etag"), "etag", etag).filter(pc.is_valid(etag)))
    return pa.concat_tables([pictures.slice(0, 0), *chunks])


def _etag(uri: str) -> tuple[str | None, str]:
    """Return an object's etag and no reason, or no etag and the reason."""
    store, key = locate(uri)
    try:
        entry = store.head(key)
    except AccessDenied:
        return None, "access denied"
    except BucketMissing:
        return None, "its bucket does not exist"
    return (None, "there is no such object") if entry is None else (entry.etag, "")
