"""The division of a gallery's pictures into parts: of one shard each, in the order of their ids, of a fixed size.

So a shard is made from its own parts alone and reads nothing of the others; and what is embedded together does not
depend on what was finished when a run was killed.
"""

from collections.abc import Container, Iterator

import numpy as np
import pyarrow as pa

from sketchray.gallery.sharding import shards_of


class Division:
    """Which pictures are in which part. Parts are numbered from shard to shard.

    Args:
        pictures: ``id`` and whatever else, sorted by id.
        shards: how many.
        part_size: pictures in a part; the last of each shard has the rest.
    """

    def __init__(self, pictures: pa.Table, *, shards: int, part_size: int) -> None:
        self.pictures, self.shards, self.part_size = pictures, shards, part_size
        self._shard_N = shards_of(pictures["id"], shards)
        parts_S = -(-np.bincount(self._shard_N, minlength=shards) // part_size)
        self._first_S = np.concatenate([[0], np.cumsum(parts_S)]).tolist()

    @property
    def parts(self) -> int:
        """Number of parts."""
        return int(self._first_S[-1])

    def of_shard(self, shard: int) -> range:
        """Return the numbers of a shard's parts."""
        return range(self._first_S[shard], self._first_S[shard + 1])

    def rows_of(self, shard: int) -> pa.Table:
        """Return a shard's pictures, sorted by id."""
        return self.pictures.filter(pa.array(self._shard_N == shard))

    def unfinished(self, finished: Container[int]) -> Iterator[pa.Table]:
        """Yield the pictures of every part that is not finished, with the part's number in a column ``part``."""
        for shard in range(self.shards):
            numbers = self.of_shard(shard)
            if all(part in finished for part in numbers):
                continue
            rows = self.rows_of(shard)
            for place, part in enumerate(numbers):
                if part not in finished:
                    pictures = rows.slice(place * self.part_size, self.part_size)
                    yield pictures.append_column("part", pa.array([part] * pictures.num_rows, pa.int64()))
