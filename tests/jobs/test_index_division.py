"""Parts: every picture is in one of them, of its own shard; what a part keeps; what the codebooks are fitted to."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs._index_division import Division
from jobs._index_parts import Parts, Summary, sampled_fraction
from sketchray.gallery import shard_of
from sketchray.gallery.build import row_schema
from sketchray.gallery.codebooks import take_sample
from sketchray.gallery.segment import embedding_column
from sketchray.storage import open_store


@given(
    ids=st.lists(st.text("abcdef0123456789", min_size=1, max_size=6), unique=True, max_size=60).map(sorted),
    shards=st.integers(1, 5),
    part_size=st.integers(1, 9),
    data=st.data(),
)
def test_unfinished_parts_are_the_pictures_of_their_shard_in_order(
    ids: list[str], shards: int, part_size: int, data: st.DataObject
) -> None:
    division = Division(pa.table({"id": pa.array(ids, pa.string())}), shards=shards, part_size=part_size)
    expected: dict[int, list[str]] = {}
    for shard in range(shards):
        mine = [name for name in ids if shard_of(name, shards) == shard]
        assert division.rows_of(shard)["id"].to_pylist() == mine
        assert division.of_shard(shard).start == len(expected)
        for first in range(0, len(mine), part_size):
            expected[len(expected)] = mine[first : first + part_size]
        assert division.of_shard(shard).stop == len(expected)
    assert division.parts == len(expected)
    finished = data.draw(st.sets(st.sampled_from(sorted(expected)))) if expected else set()
    found = {block["part"][0].as_py(): block["id"].to_pylist() for block in division.unfinished(finished)}
    assert found == {part: names for part, names in expected.items() if part not in finished}


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
