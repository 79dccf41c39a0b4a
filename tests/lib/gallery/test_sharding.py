"""Rows by shard: the same rows as one id at a time gives, and each id is hashed once."""

from typing import Any
from unittest import mock

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sketchray.gallery import shard_of, sharding
from sketchray.gallery.sharding import rows_by_shard, shards_of


@given(ids=st.lists(st.text(max_size=5), max_size=40), shards=st.integers(1, 5), cuts=st.integers(1, 9))
def test_rows_by_shard_are_those_whose_id_says_so(ids: list[str], shards: int, cuts: int) -> None:
    whole = pa.table({"id": pa.array(ids, pa.string()), "place": pa.array(range(len(ids)), pa.int64())})
    rows = pa.concat_tables([whole.slice(first, cuts) for first in range(0, len(ids), cuts)] or [whole])
    with mock.patch.object(sharding, "CHUNK", 7):
        assert shards_of(rows["id"], shards).tolist() == [shard_of(one, shards) for one in ids]
        found = [part["place"].to_pylist() for part in rows_by_shard(rows, shards)]
    assert found == [[i for i, one in enumerate(ids) if shard_of(one, shards) == shard] for shard in range(shards)]


def test_an_id_is_hashed_once_however_many_shards_there_are() -> None:
    hashed: list[Any] = []

    def counted(name: str, shards: int) -> int:
        hashed.append(name)
        return shard_of(name, shards)

    names = [f"id-{number}" for number in range(50)]
    with mock.patch.object(sharding, "shard_of", counted):
        assert sum(part.num_rows for part in rows_by_shard(pa.table({"id": names}), 20)) == 50
    assert hashed == names
