"""Search through cells gives the order, and the scores, of the exact ranking, whichever of its ways it takes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.ranking import Codebook, create_ranker, fused
from sketchray.ranking.cells import Cells
from sketchray.ranking.codebook import Fitted, Walk, WalkPlan
from sketchray.ranking.fused import FusedSearch
from sketchray.ranking.matching import CodebookMatcher, Fusion
from sketchray.ranking.topk import Search


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), dtype=np.float32)


def codebook(seed: int, chunks: int, codewords: int, dim: int) -> Codebook:
    centres_MKC = np.random.default_rng(seed).normal(size=(chunks, codewords, dim // chunks)) / np.sqrt(dim)
    return Codebook(centres_MKC=centres_MKC.astype(np.float32), fitted=Fitted(kind="kmeans", seed=seed, rows=1))


def walked(book: Codebook) -> Codebook:
    """Return a codebook of one chunk, its codewords joined by steps to any other."""
    ends_KK = np.random.default_rng(book.fitted.seed).dirichlet(np.ones(book.codewords), size=book.codewords)
    return replace(book, walk=Walk(ends_KK=ends_KK.astype(np.float32), plan=WalkPlan()))


def searched(x_ND: np.ndarray, book: Codebook) -> FusedSearch:
    return FusedSearch(x_ND, Cells(book.encode(x_ND)), book)


@pytest.mark.parametrize("gathered", [1, 4, 10**9], ids=["cells", "both", "scan"])
def test_the_order_is_that_of_the_exact_ranking(gathered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "GATHERED", gathered)
    monkeypatch.setattr(fused, "SEED", 6)
    monkeypatch.setattr(fused, "TILE", 32)
    monkeypatch.setattr(fused, "BLOCK", 2)

    @settings(max_examples=80, deadline=None)
    @given(
        kinds=st.lists(st.integers(0, 25), min_size=1, max_size=150),
        chunks=st.sampled_from([0, 1, 2, 4]),
        codewords=st.integers(1, 5),
        fusion=st.sampled_from([0.0, 1e-6, 0.2, 0.7, 1.0]),
        k=st.integers(1, 40),
        share=st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]),
        seed=st.integers(0, 99),
    )
    def check(
        *, kinds: list[int], chunks: int, codewords: int, fusion: float, k: int, share: float | None, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        x_ND = unit(rng.normal(size=(26, 8)))[kinds]
        query_BD = np.concatenate([x_ND[:1], unit(rng.normal(size=(3, 8)))])
        book = codebook(seed, chunks, codewords, 8) if chunks else walked(codebook(seed, 1, codewords, 8))
        allowed_N = None if share is None else rng.random(len(x_ND)) < share
        row_A = np.arange(len(x_ND)) if allowed_N is None else np.flatnonzero(allowed_N)
        answers = searched(x_ND, book).search(query_BD, k, Fusion(fusion), allowed_N=allowed_N)
        assert len(answers) == 4
        if not len(row_A):
            assert all(not len(score_K) and not len(row_K) for score_K, row_K in answers)
            return
        score_BK, row_BK = Search(CodebookMatcher(x_ND[row_A], book, fusion=fusion, tie_break="own")).search(
            query_BD, k
        )
        for (found_K, row_K), score_K, want_K in zip(answers, score_BK, row_BK, strict=True):
            assert row_K.tolist() == row_A[want_K].tolist()
            np.testing.assert_allclose(found_K, score_K, rtol=0, atol=1e-9)

    check()


def test_a_search_that_can_look_at_few_rows_does(
    blobs: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x_ND = unit(blobs(clusters=40, rows=100, dim=16, spread=0.05))
    book = create_ranker("cluster", codewords=40, chunks=1).fit(x_ND)
    assert book is not None
    search = searched(x_ND, book)
    monkeypatch.setattr(fused, "SEED", 50)
    monkeypatch.setattr(fused, "GATHERED", 4)
    monkeypatch.setattr(search, "_scan", None)  # calling it would fail
    _, row_K = search.search(x_ND[:1], 5, Fusion(0.2))[0]
    assert row_K[0] == 0


@settings(max_examples=200, deadline=None)
@given(
    fusion=st.one_of(st.just(0.0), st.floats(1e-3, 1.0)),
    cluster=st.floats(0, 4),
    cosine=st.floats(-1, 1),
    score=st.floats(-4, 0.1),
)
def test_the_least_cosine_is_where_the_score_is_reached(
    fusion: float, cluster: float, cosine: float, score: float
) -> None:
    how = Fusion(fusion)
    least = how.least_cosine(np.array([cluster]), score)[0]
    reached = how.score(np.array([cluster]), np.array([cosine]))[0] >= score
    if reached:
        assert cosine >= least - 1e-6
    elif fusion:
        assert not cosine >= least + 1e-5
    assert how.least_cosine(np.array([cluster]), -np.inf)[0] == -np.inf


def test_cells_hold_the_rows_of_equal_codes() -> None:
    rng = np.random.default_rng(0)
    codes_NM = rng.integers(0, 4, size=(300, 3)).astype(np.uint16)
    cells, distance_BMK = Cells(codes_NM), np.round(rng.random((2, 3, 4)) * 2**32) / 2**32
    tuples = sorted({tuple(code) for code in codes_NM.tolist()})
    assert cells.sizes.tolist() == [codes_NM.tolist().count(list(code)) for code in tuples]
    assert [tuples[cell] for cell in cells.of_rows] == [tuple(code) for code in codes_NM.tolist()]
    for cell, code in enumerate(tuples):
        rows = [row for row, other in enumerate(codes_NM.tolist()) if tuple(other) == code]
        assert cells.rows_of(np.array([cell])).tolist() == rows
        for b in range(2):
            assert cells.distances(distance_BMK)[b, cell] == sum(distance_BMK[b, m, code[m]] for m in range(3))
    assert len(cells.rows_of(np.array([], np.intp))) == 0
    assert len(Cells(np.empty((0, 2), np.uint16)).sizes) == 0


def test_codes_with_many_chunks_do_not_overflow() -> None:
    codes_NM = np.full((3, 8), 65535, np.uint16)
    codes_NM[1, 0] = 0
    assert Cells(codes_NM).of_rows.tolist() == [1, 0, 1]


def test_what_cannot_be_searched_is_refused() -> None:
    x_ND, book = unit(np.eye(4, 8)), codebook(0, 2, 3, 8)
    search = searched(x_ND, book)
    for query_BD, k, message in (
        (unit(np.ones((1, 8))), 0, "k is 0"),
        (unit(np.ones((1, 7))), 1, "8 dimensions"),
        (np.full((1, 8), np.nan, np.float32), 1, "query 0 is not of unit length"),
    ):
        with pytest.raises(ValueError, match=message):
            search.search(query_BD, k, Fusion(0.2))
    with pytest.raises(ValueError, match="not coded by a codebook of 4 dimensions"):
        FusedSearch(x_ND, Cells(book.encode(x_ND)), codebook(0, 2, 3, 4))
    with pytest.raises(ValueError, match="and 1 codewords"):
        FusedSearch(x_ND, Cells(np.array([[0, 2]] * 4, np.uint16)), codebook(0, 2, 1, 8))
    empty = FusedSearch(np.empty((0, 8), np.float32), Cells(np.empty((0, 2), np.uint16)), book)
    assert [len(row_K) for _, row_K in empty.search(unit(np.ones((2, 8))), 3, Fusion(0.2))] == [0, 0]
