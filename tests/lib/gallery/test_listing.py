"""A listing on disk: by shard as its ids say, whatever the order it came in, and no longer there than its process."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import pile, shard_of
from sketchray.gallery.listing import Listing
from sketchray.gallery.pile import Pile
from sketchray.gallery.source import LISTING
from sketchray.storage import NoSpace

Row = tuple[str, str, str, str, str | None]


def table_of(rows: Sequence[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(LISTING)
    return pa.table([list(column) for column in columns], schema=LISTING)


def slow_digest(rows: list[Row]) -> str:
    """Return the digest of a listing of one shard, up to 65,536 pictures."""
    texts = [json.dumps(LISTING.names), *(json.dumps([row[i] for row in rows]) for i in range(len(LISTING)) if rows)]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


ROWS = st.lists(
    st.tuples(st.text("abcdef", min_size=1), st.text(), st.text(), st.text(), st.none() | st.text()),
    unique_by=lambda row: row[0],
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, cut=st.integers(1, 7), run=st.integers(1, 9), shards=st.integers(1, 4), random=st.randoms())
def test_every_shard_has_its_pictures_in_the_order_of_their_ids(
    rows: list[Row], cut: int, run: int, shards: int, random: Any
) -> None:
    def divided(order: list[Row]) -> tuple[list[list[Row]], str]:
        tables = (table_of(order[first : first + cut]) for first in range(0, max(1, len(order)), cut))
        with mock.patch.object(pile, "RUN_ROWS", run), mock.patch.object(pile, "PART_ROWS", 3):
            listed = Listing(tables, (), [])
            assert listed.rows == len(order)
            pictures, digest = listed.divide(shards)
        found = [[tuple(row.values()) for row in pictures.rows_of(shard).to_pylist()] for shard in range(shards)]
        assert pictures.rows == [len(part) for part in found]
        assert pictures.schema.equals(LISTING)
        return found, digest

    expected = [sorted(row for row in rows if shard_of(row[0], shards) == shard) for shard in range(shards)]
    found, digest = divided(rows)
    assert found == expected
    if shards == 1:
        assert digest == slow_digest(expected[0])
    shuffled = rows + rows[:3]  # a store that is written to may show an object twice
    random.shuffle(shuffled)
    assert divided(shuffled) == (expected, digest)
    if rows:
        changed = [(*rows[0][:3], rows[0][3] + "x", rows[0][4]), *rows[1:]]
        assert divided(changed)[1] != digest


def test_pictures_are_put_down_as_they_come() -> None:
    held: list[int] = []

    def tables() -> Iterator[pa.Table]:
        for number in range(40):
            rows = [(f"{number}-{row:04d}", "key" * 9, "uri" * 9, "etag", None) for row in range(500)]
            yield table_of(rows)
            held.append(pa.total_allocated_bytes())

    listed = Listing(tables(), (), [])
    assert max(held) - held[0] < 2 * table_of([("0", "key" * 9, "uri" * 9, "etag", None)] * 500).nbytes
    assert sum(listed.divide(3).pictures.rows) == 20_000


def test_nothing_of_it_is_left_on_disk_whatever_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pictures = Listing([table_of([("a", "a", "a", "a", None)])], (), []).divide(2).pictures
    assert list(tmp_path.iterdir()) == []
    assert sum(pictures.rows) == 1


def test_a_full_disk_is_named() -> None:
    whole = Pile()
    with mock.patch.object(whole, "_file", Path("/dev/full").open("r+b", buffering=0)):
        with pytest.raises(NoSpace, match="no space left for the listing; TMPDIR can name another folder"):
            whole.add(0, table_of([("a", "a", "a", "a", None)]))
        whole.close()
