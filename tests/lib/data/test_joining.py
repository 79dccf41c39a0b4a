"""Other datasets' words beside one's own: whose splits count, which rows come, and what they are called."""

from collections import Counter

import pyarrow as pa
import pytest

from sketchray.data.joining import join_seen
from sketchray.data.samples import Sample, Split, sample_table


def table(words: dict[str | None, Split], *, root: str, rows: int = 3) -> pa.Table:
    return sample_table(
        Sample(f"{modality}/{word}/{row}", f"{root}/{modality}/{word}/{row}", modality, word, split)
        for word, split in words.items()
        for modality in ("sketch", "photo")
        for row in range(rows)
    )


@pytest.fixture
def own() -> pa.Table:
    return table({"cat": "seen", "dog": "val", "owl": "unseen"}, root="own")


@pytest.fixture
def other() -> pa.Table:
    return table(
        {"cat": "seen", "dog": "seen", "owl": "seen", "sun": "seen", "pig": "unseen", None: "gallery"}, root="other"
    )


def counts(samples: pa.Table) -> Counter[tuple[str, str, str]]:
    rows = samples.to_pylist()
    return Counter((row["uri"].split("/")[0], row["class_name"], row["split"]) for row in rows)


def test_only_classes_that_are_not_kept_back_come(own: pa.Table, other: pa.Table) -> None:
    assert counts(join_seen(own, [other])) == counts(own) + Counter(
        {("other", "cat", "seen"): 6, ("other", "sun", "seen"): 6}
    )


def test_own_rows_keep_their_ids_and_no_two_rows_share_one(own: pa.Table, other: pa.Table) -> None:
    joined = join_seen(own, [other, other])
    ids = joined["id"].to_pylist()
    assert ids == sorted(set(ids))
    assert joined.schema == own.schema
    mine = {row["id"] for row in joined.to_pylist() if row["uri"].startswith("own/")}
    assert mine == set(own["id"].to_pylist())


def test_few_of_each_class_and_modality_are_the_first_by_id(own: pa.Table, other: pa.Table) -> None:
    joined = join_seen(own, [other], per_class=2)
    assert counts(joined)["other", "sun", "seen"] == 4
    came = {row["uri"] for row in joined.to_pylist() if row["uri"].startswith("other/sketch/sun")}
    first = [row["uri"] for row in other.to_pylist() if row["uri"].startswith("other/sketch/sun")][:2]
    assert came == set(first)


def test_nothing_to_join_changes_nothing(own: pa.Table) -> None:
    assert join_seen(own, []) == own
    assert join_seen(own, [table({"owl": "seen"}, root="other")]) == own
