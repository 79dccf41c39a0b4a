"""The sample table: ids, order, fingerprint."""

import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchray.data.samples import SAMPLE_SCHEMA, Sample, data_fingerprint, sample_id, sample_table

URL_SAFE = set(string.ascii_letters + string.digits + "-_")


def rows(root: str = "file:///a") -> list[Sample]:
    keys = ["photos/cat/1.jpg", "photos/cat/2.jpg", "strokes/cat.ndjson#0", "gallery/x.png"]
    return [
        Sample(keys[0], f"{root}/{keys[0]}", "photo", "cat", "seen"),
        Sample(keys[1], f"{root}/{keys[1]}", "photo", "cat", "seen"),
        Sample(keys[2], f"{root}/{keys[2]}", "sketch", "cat", "seen"),
        Sample(keys[3], f"{root}/{keys[3]}", "photo", None, "gallery"),
    ]


@given(st.text(), st.text())
def test_ids_are_url_safe_stable_and_distinct(first: str, second: str) -> None:
    assert len(sample_id(first)) == 16
    assert set(sample_id(first)) <= URL_SAFE
    assert (sample_id(first) == sample_id(second)) == (first == second)


def test_an_id_does_not_change_between_releases() -> None:
    assert sample_id("photos/cat/1.jpg") == "TACdZRODERm9Ba5P"


def test_the_table_has_the_schema_and_is_sorted_by_id() -> None:
    table = sample_table(rows())
    assert table.schema == SAMPLE_SCHEMA
    ids = table["id"].to_pylist()
    assert ids == sorted(ids)
    assert set(ids) == {sample_id(row.key) for row in rows()}
    assert table["class_name"].null_count == 1


def test_an_empty_table_has_the_schema_too() -> None:
    table = sample_table([])
    assert table.schema == SAMPLE_SCHEMA
    assert table.num_rows == 0


def test_two_samples_with_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="two samples have the id"):
        sample_table([*rows(), rows()[0]])


def test_the_fingerprint_ignores_row_order_and_root() -> None:
    table = sample_table(rows())
    shuffled = table.take(pa.array([2, 0, 3, 1]))
    assert data_fingerprint(table) == data_fingerprint(shuffled)
    assert data_fingerprint(table) == data_fingerprint(sample_table(rows("s3://bucket/b")))


FIRST = rows()[0]


@pytest.mark.parametrize(
    "changed",
    [
        FIRST._replace(split="unseen"),
        FIRST._replace(class_name="dog"),
        FIRST._replace(modality="sketch"),
        FIRST._replace(key="photos/cat/3.jpg"),
    ],
)
def test_the_fingerprint_sees_every_other_change(changed: Sample) -> None:
    assert data_fingerprint(sample_table([changed, *rows()[1:]])) != data_fingerprint(sample_table(rows()))
    assert data_fingerprint(sample_table(rows()[1:])) != data_fingerprint(sample_table(rows()))
