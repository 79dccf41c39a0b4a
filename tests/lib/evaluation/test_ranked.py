"""Sorting scores into tie groups."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.evaluation.ranked import rank_block, unordered
from sketchray.evaluation.ties import draw_ranks, hypergeometric

scores64 = st.floats(allow_nan=False, width=32)


@settings(deadline=None)
@given(items=st.lists(st.tuples(scores64, st.booleans()), min_size=1, max_size=30))
def test_groups_are_those_of_a_plain_sort(items: list[tuple[float, bool]]) -> None:
    ranked = rank_block([[score for score, _ in items]], [[relevant for _, relevant in items]])
    expected, before, hits_before = [], 0, 0
    for value in sorted({score for score, _ in items}, reverse=True):
        tied = [relevant for score, relevant in items if score == value]
        if any(tied):
            expected.append((before, len(tied), sum(tied), hits_before))
        before, hits_before = before + len(tied), hits_before + sum(tied)
    columns = (ranked.before_T, ranked.size_T, ranked.hits_T, ranked.hits_before_T)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert ranked.positives_B.tolist() == [sum(relevant for _, relevant in items)]


def test_rows_are_independent() -> None:
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(0, 5, (6, 20)), rng.random((6, 20)) < 0.3
    together = rank_block(scores, relevant)
    for row in range(6):
        alone, mine = rank_block(scores[row : row + 1], relevant[row : row + 1]), together.row_T == row
        for name in ("before_T", "size_T", "hits_T", "hits_before_T"):
            np.testing.assert_array_equal(getattr(together, name)[mine], getattr(alone, name))


def test_minus_zero_ties_with_zero() -> None:
    assert rank_block([[0.0, -0.0]], [[True, False]]).size_T.tolist() == [2]


def test_an_empty_block_is_a_block() -> None:
    assert rank_block(np.zeros((0, 4)), np.zeros((0, 4), bool)).rows == 0


def test_bad_input_names_what_and_where() -> None:
    with pytest.raises(ValueError, match="query 12: the score of gallery item 1 is NaN"):
        rank_block([[0.0, 1.0], [0.0, np.nan]], [[True, False]] * 2, first_query=11)
    with pytest.raises(ValueError, match="gallery is empty"):
        rank_block(np.zeros((2, 0)), np.zeros((2, 0), bool))
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        rank_block([[0.0, 1.0]], [[True, False, True]])


@settings(deadline=None)
@given(size=st.integers(1, 12), data=st.data())
def test_hypergeometric_is_a_count_of_subsets(size: int, data: st.DataObject) -> None:
    hits, slots = data.draw(st.integers(0, size)), data.draw(st.integers(0, size))
    (chances,) = hypergeometric(np.array([size]), np.array([hits]), np.array([slots]))
    expected = [comb(hits, h) * comb(size - hits, slots - h) / comb(size, slots) for h in range(slots + 1)]
    np.testing.assert_allclose(chances, expected, atol=1e-12)


def test_drawn_orders_are_uniform_and_independent_of_the_blocking() -> None:
    ranked = unordered([2] * 3, 4)
    counts = np.zeros((3, 5))
    for draw in range(6000):
        row, rank = draw_ranks(ranked, draw=draw, seed=1)
        assert row.tolist() == [0, 0, 1, 1, 2, 2]
        np.add.at(counts, (row, rank), 1)
    np.testing.assert_allclose(counts[:, 1:] / 6000, 0.5, atol=0.03)

    scores, relevant = np.zeros((3, 40)), np.tile(np.arange(40) < 9, (3, 1))
    _, together = draw_ranks(rank_block(scores, relevant, first_query=5), draw=2, seed=0)
    _, last = draw_ranks(rank_block(scores[2:], relevant[2:], first_query=7), draw=2, seed=0)
    np.testing.assert_array_equal(together.reshape(3, 9)[2], last)
    assert (together.reshape(3, 9)[0] != together.reshape(3, 9)[1]).any()
