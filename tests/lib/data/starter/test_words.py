"""The rules of the hand-checked table."""

import csv

import pytest

from sketchray.data.starter.pictures import code_of
from sketchray.data.starter.spec import StarterConfig, chosen_words, spec_digest
from sketchray.data.starter.words import SEEN, UNSEEN, read_words, table_text


def test_a_code_point_belongs_to_one_word() -> None:
    codes = [code for row in read_words() for code in row.codes]
    assert len(codes) == len(set(codes))
    assert all(code_of(code) == code for code in codes), "codes are in the one notation"


def test_a_word_is_either_seen_or_unseen() -> None:
    splits: dict[str, set[str]] = {}
    for row in csv.DictReader(table_text().splitlines()):
        splits.setdefault(row["word"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {SEEN, UNSEEN}


def test_there_are_enough_words_of_each_kind() -> None:
    rows = read_words()
    assert len(rows) >= 120
    assert sum(row.split == UNSEEN for row in rows) == 50
    assert [row.word for row in rows] == sorted({row.word for row in rows})
    assert len({row.folder for row in rows}) == len(rows)


def test_no_unseen_word_names_a_kind_of_a_seen_thing() -> None:
    """The near-duplicates that the table was made with in mind stay on one side."""
    split = {row.word: row.split for row in read_words()}
    groups = [
        ("ambulance", "bus", "car", "firetruck", "pickup truck", "police car", "truck", "van"),
        ("bear", "teddy-bear"),
        ("cat", "tiger"),
        ("horse", "zebra"),
        ("shorts", "underwear"),
        ("guitar", "violin"),
        ("cloud", "rain"),
        ("laptop", "television"),
        ("palm tree", "tree"),
        ("duck", "swan"),
    ]
    for group in groups:
        assert len({split[word] for word in group}) == 1, group


def test_a_subset_keeps_the_table_order_and_has_its_own_spec() -> None:
    subset = StarterConfig(words=("snail", "cat"))
    assert [row.word for row in chosen_words(subset)] == ["cat", "snail"]
    assert len({spec_digest(c) for c in (subset, StarterConfig(), StarterConfig(size=64))}) == 3


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(ValueError, match=r"not in the starter table: circle, klein bottle"):
        chosen_words(StarterConfig(words=("klein bottle", "cat", "circle")))
