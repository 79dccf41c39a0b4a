"""The division of a gallery's pictures into parts: of one shard each, in the order of their ids, of a fixed size.

So a shard is made from its own parts alone and reads nothing of the others; and what is embedded together does not
depend on what was finished when a run was killed.
"""

import itertools
from collections.abc import Callable, Container, Iterator, Sequence

import pyarrow as pa


class Division:
    """Which pictures are in which part. Parts are numbered from shard to shard.

    Attributes:
        rows: pictures in all of them.

    Args:
        counts: pictures of each shard.
        pictures: returns a shard's, sorted by id; called for one at a time.
        part_size: pictures in a part; the last of each shard has the rest.
    """

    def __init__(self, counts: Sequence[int], pictures: Callable[[int], pa.Table], *, part_size: int) -> None:
        self.shards, self.rows = len(counts), sum(counts)
        self._pictures, self._part_size = pictures, part_size
        self._first_S = list(itertools.accumulate((-(-count // part_size) for count in counts), initial=0))

    @property
    def parts(self) -> int:
        """Number of parts."""
        return self._first_S[-1]

    def of_shard(self, shard: int) -> range:
        """Return the numbers of a shard's parts."""
        return range(self._first_S[shard], self._first_S[shard + 1])

    def unfinished(self, finished: Container[int]) -> Iterator[pa.Table]:
        """Yield the pictures of every part that is not finished, with the part's number in a column ``part``."""
        for shard in range(self.shards):
            numbers = self.of_shard(shard)
            if all(part in finished for part in numbers):
                continue
            rows = self._pictures(shard)
            for place, part in enumerate(numbers):
                if part not in finished:
                    pictures = rows.slice(place * self._part_size, self._part_size)
                    yield pictures.append_column("part", pa.array([part] * pictures.num_rows, pa.int64()))
