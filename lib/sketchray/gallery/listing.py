"""What a source holds, on disk: the memory that it takes does not grow with the number of pictures.

Pictures are put down as they are listed. When they are counted, and it is known how many shards there are, they are
divided, and each shard's are sorted by themselves. Two copies of the listing are on disk at most, of about 0.2 KB a
picture.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.manifest import Column
from sketchray.gallery.pile import Pile
from sketchray.gallery.source_rows import Problem

DIGEST_ROWS = 1 << 16


class Divided(NamedTuple):
    """A listing by shard.

    Attributes:
        pictures: `LISTING` and the metadata columns, sorted by id within each shard.
        digest: 16 hex digits over ids, places, etags, labels and metadata; of as many shards the same for the same
            pictures, in whatever order they were listed.
    """

    pictures: Pile
    digest: str


class Listing:
    """The pictures of a source as they were listed.

    Attributes:
        rows: how many.
        columns: the metadata columns.
        problems: ``uri``, ``stage`` (``list``) and ``reason`` of what cannot be a picture of the gallery; in memory.

    Args:
        tables: `LISTING` and the metadata columns, in any order; at least one, be it empty. Each is put on disk before
            the next is asked for.
        columns: the metadata columns.
        problems: may be filled while the tables come.
    """

    def __init__(self, tables: Iterable[pa.Table], columns: Sequence[Column], problems: list[Problem]) -> None:
        self._listed = Pile()
        for table in tables:
            self._listed.add(0, table)
        self.rows, self.columns, self.problems = self._listed.rows[0], tuple(columns), problems

    def divide(self, shards: int) -> Divided:
        """Divide the pictures, and give back the disk that they have taken: this can be done once.

        A picture that was listed twice, as may happen where the source is written to meanwhile, is there once.
        """
        unsorted, pictures = self._listed.divide(shards), Pile(shards)

        def settled() -> Iterator[pa.Table]:
            for shard in range(shards):
                rows = first_of_each(unsorted.rows_of(shard).sort_by("id"))
                pictures.add(shard, rows)
                yield rows

        digest = digest_of(settled())
        unsorted.close()
        return Divided(pictures, digest)


def first_of_each(rows: pa.Table) -> pa.Table:
    """Return rows that are sorted by id without those that repeat the id before them."""
    ids = rows["id"].combine_chunks()
    repeats = pc.equal(ids[1:], ids[:-1])
    if not pc.any(repeats, min_count=0).as_py():
        return rows
    return rows.filter(pa.concat_arrays([pa.array([True]), pc.invert(repeats)]))


def digest_of(tables: Iterable[pa.Table]) -> str:
    """Return 16 hex digits over all values of some tables of one schema, of which there is at least one."""
    hashed = hashlib.sha256()
    for number, table in enumerate(tables):
        if not number:
            hashed.update(json.dumps(table.schema.names).encode())
        for first in range(0, table.num_rows, DIGEST_ROWS):
            part = table.slice(first, DIGEST_ROWS)
            for name in part.schema.names:
                hashed.update(json.dumps(part[name].to_pylist(), default=str).encode())
    return hashed.hexdigest()[:16]
