"""What changed is told by id and etag: the fast comparison against one row at a time."""

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import GalleryError
from sketchray.gallery.changes import Changes, compare, join_changes, split_changes
from sketchray.gallery.sharding import rows_by_shard

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("year", pa.int64()),
        pa.field("weight", pa.float64()),
    ]
)
Row = dict[str, Any]


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    ids = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    choices = {
        "uri": st.sampled_from(["s3://b/1", "s3://b/2"]),
        "etag": st.sampled_from(["x", "y"]),
        "label": st.sampled_from([None, "", "cat"]),
        "year": st.sampled_from([None, 0, 1999]),
        "weight": st.sampled_from([None, 0.0, 1.5, math.nan]),
    }
    return [{"id": one} | {name: draw(values) for name, values in choices.items()} for one in ids]


def slow_compare(listing: list[Row], live: list[Row]) -> dict[str, Any]:
    before = {row["id"]: row for row in live}
    answer: dict[str, Any] = {"new": [], "changed": [], "rewritten": [], "kept": 0}
    for row in listing:
        old = before.pop(row["id"], None)
        if old is None:
            answer["new"].append(row["id"])
        elif old["etag"] != row["etag"]:
            answer["changed"].append(row["id"])
        elif str(old) != str(row):  # a text of it, in which not-a-number equals itself
            answer["rewritten"].append(row["id"])
        else:
            answer["kept"] += 1
    return answer | {"gone": list(before)}


def told(changes: Changes) -> dict[str, Any]:
    tables = {name: getattr(changes, name)["id"].to_pylist() for name in ("new", "changed", "rewritten")}
    return tables | {"gone": changes.gone, "kept": changes.kept}


@settings(max_examples=60, deadline=None)
@given(some_rows(), some_rows())
def test_rows_are_told_apart(listing: list[Row], live: list[Row]) -> None:
    table, other = (pa.Table.from_pylist(rows, schema=SCHEMA) for rows in (listing, live))
    changes = compare(table, other)
    assert told(changes) == slow_compare(listing, live)
    assert changes.none == (changes.kept == len(listing) == len(live))
    wanted = {row["id"]: row for row in listing}
    for part in (changes.new, changes.changed, changes.rewritten):
        assert [str(row) for row in part.to_pylist()] == [str(wanted[row["id"]]) for row in part.to_pylist()]
    assert changes.to_embed["id"].to_pylist() == sorted(
        changes.new["id"].to_pylist() + changes.changed["id"].to_pylist()
    )


@settings(max_examples=60, deadline=None)
@given(some_rows(), some_rows(), st.integers(1, 3))
def test_shards_together_are_the_whole_and_the_whole_is_split_into_them(
    listing: list[Row], live: list[Row], shards: int
) -> None:
    listing, live = (sorted(rows, key=lambda row: str(row["id"])) for rows in (listing, live))
    tables = (pa.Table.from_pylist(rows, schema=SCHEMA) for rows in (listing, live))
    parts = [compare(*pair) for pair in zip(*(rows_by_shard(table, shards) for table in tables), strict=True)]
    joined = join_changes(parts)
    assert told(joined) == slow_compare(listing, live)
    assert [told(part) | {"kept": 0} for part in parts] == [told(part) for part in split_changes(joined, shards)]


def test_further_columns_of_a_listing_pass_through_and_the_order_of_columns_does_not_matter() -> None:
    row = {"id": "a", "uri": "s3://b/1", "etag": "x", "label": None, "year": 1, "weight": None}
    live = pa.Table.from_pylist([row], schema=SCHEMA)
    listing = pa.table({name: [(row | {"key": "1", "etag": "y"})[name]] for name in reversed(["key", *row])})
    listing = listing.set_column(listing.schema.get_field_index("weight"), "weight", pa.nulls(1))
    changes = compare(listing, live)
    assert changes.changed["key"].to_pylist() == ["1"]
    assert changes.changed.schema.field("weight").type == pa.float64()


def test_whole_numbers_become_floats_where_the_gallery_has_floats() -> None:
    row = {"id": "a", "uri": "s3://b/1", "etag": "x", "label": None, "year": 1, "weight": 2.0}
    live = pa.Table.from_pylist([row], schema=SCHEMA)
    listing = live.set_column(5, "weight", pa.array([2]))
    assert compare(listing, live).none


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["year"]), r"columns \['weight'\], the gallery has \['year', 'weight'\]"),
        (lambda table: table.append_column("size", table["year"]), "build the gallery anew"),
        (lambda table: table.set_column(4, "year", pa.array(["1999"])), "'year' is string here, int64 in the gallery"),
        (lambda table: table.set_column(4, "year", pa.array([1.0])), "'year' is double here, int64 in the gallery"),
        (lambda table: pa.concat_tables([table, table]), "id 'a' is listed twice"),
    ],
)
def test_what_no_update_can_do_is_refused(change: Any, message: str) -> None:
    row = {"id": "a", "uri": "s3://b/1", "etag": "x", "label": None, "year": 1, "weight": 2.0}
    live = pa.Table.from_pylist([row], schema=SCHEMA)
    with pytest.raises(GalleryError, match=message):
        compare(change(live), live)
