"""Exact search against the obvious definition, with ties everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.ranking import Nearest


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), dtype=np.float32)


def slow(embedding_ND: np.ndarray, query_BD: np.ndarray, k: int) -> list[list[int]]:
    """Sort every row by its similarity, then by its number."""
    answers = []
    for query in query_BD.astype(np.float64).tolist():
        scores = [sum(a * b for a, b in zip(row, query, strict=True)) for row in embedding_ND.astype(float).tolist()]
        answers.append(sorted(range(len(scores)), key=lambda i: (-round(scores[i], 12), i))[:k])
    return answers


def test_random_rows_come_in_the_order_of_similarity() -> None:
    rng = np.random.default_rng(0)
    embedding_ND, query_BD = unit(rng.normal(size=(500, 24))), unit(rng.normal(size=(33, 24)))
    score_BK, row_BK = Nearest(embedding_ND).search(query_BD, 20)
    assert row_BK.tolist() == slow(embedding_ND, query_BD, 20)
    exact_BK = np.einsum("bd,bkd->bk", query_BD.astype(np.float64), embedding_ND.astype(np.float64)[row_BK])
    np.testing.assert_allclose(score_BK, exact_BK, rtol=0, atol=1e-12)
    assert (np.diff(score_BK) <= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.integers(0, 4), min_size=1, max_size=120),
    queries=st.integers(1, 40),
    k=st.integers(1, 130),
    seed=st.integers(0, 5),
)
def test_equal_rows_come_in_the_order_of_their_number(kinds: list[int], queries: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pattern = unit(rng.normal(size=(5, 17)))
    embedding_ND, query_BD = pattern[kinds], unit(rng.normal(size=(queries, 17)))
    score_BK, row_BK = Nearest(embedding_ND).search(query_BD, k)
    assert row_BK.tolist() == slow(embedding_ND, query_BD, k)
    for score_K, row_K in zip(score_BK, row_BK, strict=True):
        assert len({(kinds[row], score) for row, score in zip(row_K, score_K, strict=True)}) == len(
            {kinds[row] for row in row_K}
        )


def test_a_whole_gallery_of_one_picture_is_answered_by_number() -> None:
    embedding_ND = np.tile(unit(np.ones((1, 64))), (5000, 1))
    _, row_BK = Nearest(embedding_ND).search(embedding_ND[:1], 10)
    assert row_BK.tolist() == [list(range(10))]


def test_scores_do_not_depend_on_the_batch_or_on_the_other_rows() -> None:
    rng = np.random.default_rng(1)
    embedding_ND, query_BD = unit(rng.normal(size=(301, 40))), unit(rng.normal(size=(64, 40)))
    together, _ = Nearest(embedding_ND).search(query_BD, 301)
    alone = np.concatenate([Nearest(embedding_ND).search(query_BD[i : i + 1], 301)[0] for i in range(64)])
    np.testing.assert_array_equal(together, alone)
    halves = [Nearest(half).search(query_BD, 301)[0] for half in (embedding_ND[:100], embedding_ND[100:])]
    np.testing.assert_array_equal(together, -np.sort(-np.concatenate(halves, axis=1)))


def test_an_empty_gallery_and_a_short_one() -> None:
    score_BK, row_BK = Nearest(np.empty((0, 8), dtype=np.float32)).search(unit(np.ones((3, 8))), 5)
    assert score_BK.shape == row_BK.shape == (3, 0)
    score_BK, row_BK = Nearest(unit(np.eye(2, 8))).search(unit(np.ones((3, 8))), 5)
    assert row_BK.tolist() == [[0, 1]] * 3
    assert Nearest(unit(np.eye(2, 8))).search(np.empty((0, 8), dtype=np.float32), 5)[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (np.full((1, 4), np.nan), 1, "query 0 is not of unit length"),
        (np.zeros((1, 4)), 1, "query 0 is not of unit length"),
        (np.ones((1, 4)), 1, "its norm is 2"),
        (np.eye(1, 5), 1, "4 dimensions"),
        (np.eye(1, 4)[0], 1, "4 dimensions"),
        (np.eye(1, 4), 0, "k is 0"),
    ],
)
def test_wrong_questions_are_explained(query: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Nearest(np.eye(4, dtype=np.float32)).search(query, k)


@pytest.mark.parametrize("rows", [np.ones((2, 4)), np.full((2, 4), np.inf), np.ones(4), np.ones((2, 0))])
def test_wrong_galleries_are_explained(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"unit length|shape"):
        Nearest(rows)


@settings(max_examples=30, deadline=None)
@given(
    kinds=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    share=st.floats(0, 1),
    k=st.integers(1, 90),
    seed=st.integers(0, 9),
)
def test_only_allowed_rows_are_found(kinds: list[int], share: float, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embedding_ND, query_BD = unit(rng.normal(size=(7, 9)))[kinds], unit(rng.normal(size=(3, 9)))
    allowed_N = rng.random(len(kinds)) < share
    _, row_BK = Nearest(embedding_ND).search(query_BD, k, allowed_N=allowed_N)
    row_A = np.flatnonzero(allowed_N)
    assert row_BK.tolist() == [row_A[rows].tolist() for rows in slow(embedding_ND[row_A], query_BD, k)]


def test_the_vectors_are_not_copied() -> None:
    embedding_ND = unit(np.eye(4, 8))
    assert np.shares_memory(Nearest(embedding_ND)._embedding_ND, embedding_ND)
