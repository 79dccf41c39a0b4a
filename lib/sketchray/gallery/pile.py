"""Rows by shard on disk instead of in memory, for as long as one process works with them."""

import errno
import io
import itertools
import mmap
import tempfile
from array import array
from collections.abc import Iterator

import pyarrow as pa

from sketchray.gallery.sharding import rows_by_shard
from sketchray.storage import NoSpace

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
PART_ROWS = 1 << 14  # written, or read, at a time
ALIGNED = 64  # bytes, as Arrow wants its values to lie
RUN_ROWS = 1 << 16  # divided at a time: a slice of a few rows for each shard would cost more than the rows


class Pile:
    """Rows of one schema by shard, in a file without a name: whatever ends the process, nothing is left of it.

    The file lies in the folder for temporary files, which ``TMPDIR`` names. In memory are 16 bytes for each time that
    rows are added. Rows that are asked for are the file's own pages, which the system takes back when it needs them.

    Attributes:
        rows: how many each shard has.

    Args:
        shards: how many.
    """

    def __init__(self, shards: int = 1) -> None:
        self.rows = [0] * shards
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - the file lives as long as the pile
        self._places = [array("q") for _ in range(shards)]
        self._schema: pa.Schema | None = None

    def add(self, shard: int, rows: pa.Table) -> None:
        """Put rows behind those that a shard has.

        Raises:
            NoSpace: the folder for temporary files is full.
        """
        self._schema = rows.schema if self._schema is None else self._schema
        for first in range(0, rows.num_rows, PART_ROWS):
            self._places[shard].extend(self._write(rows.slice(first, PART_ROWS)))
        self.rows[shard] += rows.num_rows

    def parts(self, shard: int = 0) -> Iterator[pa.Table]:
        """Yield the rows of a shard as they were added, `PART_ROWS` at most at a time."""
        places = self._places[shard]
        if not places:
            return
        data = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
        for place, size in zip(places[::2], places[1::2], strict=True):
            yield pa.ipc.open_stream(pa.py_buffer(data[place : place + size])).read_all()

    def rows_of(self, shard: int) -> pa.Table:
        """Return all rows of a shard."""
        return pa.concat_tables([self.schema.empty_table(), *self.parts(shard)])

    def divide(self, shards: int, *, by: str = "id") -> "Pile":
        """Return these rows by shard, as `shard_of` has it of a column, and give the disk back that they take here."""
        divided = Pile(shards)
        for run in self._runs():
            for shard, rows in enumerate(rows_by_shard(run, shards, by=by)):
                divided.add(shard, rows)
        self.close()
        return divided

    @property
    def schema(self) -> pa.Schema:
        """The rows' columns, known once some were added, be they none."""
        assert self._schema is not None, "nothing was added yet"
        return self._schema

    def close(self) -> None:
        """Give the disk back, as soon as nobody has rows of it."""
        self._file.close()

    def _runs(self) -> Iterator[pa.Table]:
        waiting = [self.schema.empty_table()]
        for part in itertools.chain.from_iterable(self.parts(shard) for shard in range(len(self.rows))):
            waiting.append(part)
            if sum(table.num_rows for table in waiting) >= RUN_ROWS:
                yield pa.concat_tables(waiting)
                waiting = waiting[:1]
        yield pa.concat_tables(waiting)

    def _write(self, rows: pa.Table) -> tuple[int, int]:
        """Put some rows at the end of the file; return where they begin, and their bytes."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        data = sink.getvalue()
        try:
            place = self._file.seek(-self._file.seek(0, io.SEEK_END) % ALIGNED, io.SEEK_CUR)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            folder = tempfile.gettempdir()
            raise NoSpace(f"{folder}: no space left for the listing; TMPDIR can name another folder") from error
        return place, data.size
