"""Rows by shard: every id is hashed once, whatever the number of shards."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sketchray.gallery.manifest import shard_of

CHUNK = 1 << 16  # ids that are Python strings at a time


def shards_of(ids: pa.ChunkedArray, shards: int) -> npt.NDArray[np.int32]:
    """Return the shard of each id, see `shard_of`."""
    if shards == 1:
        return np.zeros(len(ids), dtype=np.int32)
    chunks = (ids.slice(first, CHUNK).to_pylist() for first in range(0, len(ids), CHUNK))
    return np.fromiter((shard_of(name, shards) for chunk in chunks for name in chunk), np.int32, len(ids))


def rows_by_shard(rows: pa.Table, shards: int, *, by: str = "id") -> Iterator[pa.Table]:
    """Yield the rows of shard 0, of shard 1 and so on, each in the order that they have in the table.

    Args:
        rows: the column `by`, and whatever else.
        shards: how many.
        by: the column that says which shard is a row's.
    """
    shard_N = shards_of(rows[by], shards)
    for shard in range(shards):
        yield rows.filter(pa.array(shard_N == shard)) if shards > 1 else rows
