"""Parts: every picture is in one of them, of its own shard; what a part keeps; what the codebooks are fitted to."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs._index_changes import ChangesByShard
from jobs._index_division import Division
from jobs._index_parts import Parts, Summary, sampled_fraction
from sketchray.gallery.build import row_schema
from sketchray.gallery.changes import Changes
from sketchray.gallery.codebooks import take_sample
from sketchray.gallery.segment import embedding_column
from sketchray.storage import open_store


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=5), part_size=st.integers(1, 9), data=st.data())
def test_unfinished_parts_are_the_pictures_of_their_shard_in_order(
    counts: list[int], part_size: int, data: st.DataObject
) -> None:
    ids = [[f"{shard}-{row:02d}" for row in range(count)] for shard, count in enumerate(counts)]
    division = Division(counts, lambda shard: pa.table({"id": pa.array(ids[shard], pa.string())}), part_size=part_size)
    expected: dict[int, list[str]] = {}
    for shard, mine in enumerate(ids):
        assert division.of_shard(shard).start == len(expected)
        for first in range(0, len(mine), part_size):
            expected[len(expected)] = mine[first : first + part_size]
        assert division.of_shard(shard).stop == len(expected)
    assert (division.parts, division.rows, division.shards) == (len(expected), sum(counts), len(counts))
    finished = data.draw(st.sets(st.sampled_from(sorted(expected)))) if expected else set()
    found = {block["part"][0].as_py(): block["id"].to_pylist() for block in division.unfinished(finished)}
    assert found == {part: names for part, names in expected.items() if part not in finished}


def test_a_shard_without_unfinished_parts_is_not_read() -> None:
    read: list[int] = []

    def pictures(shard: int) -> pa.Table:
        read.append(shard)
        return pa.table({"id": ["a", "b"]})

    division = Division([2, 2, 2], pictures, part_size=1)
    assert [block["part"][0].as_py() for block in division.unfinished({0, 1, 4})] == [2, 3, 5]
    assert read == [1, 2]


def test_changes_come_back_by_shard_and_are_counted() -> None:
    def table(*names: str) -> pa.Table:
        return pa.table({"id": pa.array(names, pa.string())})

    given = [
        Changes(table("d", "e"), table("a"), table("c"), ["b"], 4),
        Changes(table(), table(), table(), [], 3),
        Changes(table(), table(), table(), ["x"], 0),
    ]
    changes = ChangesByShard(3)
    for shard in (2, 0, 1):
        changes.add(shard, given[shard])
    for shard, one in enumerate(given):
        found = changes.of(shard)
        assert [part.to_pylist() for part in found[:3]] == [part.to_pylist() for part in one[:3]]
        assert (found.gone, found.kept, changes.none(shard)) == (one.gone, one.kept, one.none)
        assert changes.to_embed(shard).equals(one.to_embed)
    assert list(changes.embedded) == [3, 0, 0]
    assert changes.counted() == {"new": 2, "changed": 1, "rewritten": 1, "gone": 2, "kept": 7}


def rows(first: int, count: int) -> pa.Table:
    """Return rows of one dimension with ids from a number on."""
    names = [f"id-{number:05d}" for number in range(first, first + count)]
    columns = {"id": names, "uri": names, "etag": names, "label": [None] * count, "jpeg": [b"jpeg"] * count}
    table = {**columns, "embedding": embedding_column(np.ones((count, 1), dtype=np.float32))}
    schema = row_schema(1)
    return pa.table({name: table[name] for name in schema.names}, schema=schema)


def test_parts_give_back_rows_and_the_sample_that_all_rows_would_give(tmp_path: Path) -> None:
    wanted, everything = 20, rows(0, 400)
    parts = Parts(open_store(str(tmp_path)), sampled=sampled_fraction(everything.num_rows, wanted))
    for part in range(8):
        parts.write(Summary(part, 50, [], {}), everything.slice(part * 50, 50))
    assert parts.read([3, 1], row_schema(1)).equals(pa.concat_tables([rows(150, 50), rows(50, 50)]))
    candidates = parts.sample(row_schema(1))
    assert wanted <= candidates.num_rows < 60
    assert take_sample(candidates, wanted).equals(take_sample(everything, wanted).select(["id", "embedding"]))
    parts.write(Summary(1, 0, [], {}), rows(0, 0))  # tried again, and nothing could be read
    assert not set(rows(50, 50)["id"].to_pylist()) & set(parts.sample(row_schema(1))["id"].to_pylist())
    parts.remove()
    assert list(parts.work.list()) == []


def test_a_part_with_a_picture_that_may_be_there_the_next_time_is_not_finished(tmp_path: Path) -> None:
    parts = Parts(open_store(str(tmp_path)))
    damaged = {"uri": "a", "stage": "decode", "reason": "truncated"}
    parts.write(Summary(0, 1, [damaged], {}), rows(0, 1))
    parts.write(Summary(1, 1, [damaged, {"uri": "b", "stage": "read", "reason": "it is gone"}], {}), rows(1, 1))
    parts.write(Summary(2, 1, [], {"decode": 1.5}), rows(2, 1))
    assert parts.finished() == {0: Summary(0, 1, [damaged], {}), 2: Summary(2, 1, [], {"decode": 1.5})}
    assert parts.sample(row_schema(1)).num_rows == 0


@pytest.mark.parametrize(
    ("count", "wanted", "fraction"), [(0, 5, 1), (100, 0, 0), (100, 90, 1), (1200, 100, Fraction(1, 10))]
)
def test_the_sample_has_some_rows_to_spare(count: int, wanted: int, fraction: Fraction | int) -> None:
    assert sampled_fraction(count, wanted) == fraction
