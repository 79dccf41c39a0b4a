"""Scores through a codebook: the fused distance as loops, ties, blocks, and the search in the order of the scores."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.evaluation.ranked import rank_block
from sketchray.ranking import Codebook, CosineScorer, create_ranker
from sketchray.ranking.codebook import Fitted


def given_codebook(chunks: int, codewords: int, dim: int, seed: int = 0) -> Codebook:
    centres = np.random.default_rng(seed).normal(size=(chunks, codewords, dim // chunks))
    return Codebook(centres_MKC=(centres / 4).astype(np.float32), fitted=Fitted(kind="kmeans", seed=0, rows=1))


def features(rows: int, seed: int, dim: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim))


def slow_parts(query: Any, item: Any, codebook: Codebook, slow_distances: Any) -> tuple[float, float]:
    """Return (cluster distance, own distance) of one query and one item."""
    nearest = [row.index(min(row)) for row in slow_distances(item, codebook.centres_MKC)]
    cluster = sum(row[code] for row, code in zip(slow_distances(query, codebook.centres_MKC), nearest, strict=True))
    q, x = query / np.linalg.norm(query), item / np.linalg.norm(item)
    return cluster, sum((a - b) ** 2 for a, b in zip(q.tolist(), x.tolist(), strict=True)) ** 0.5


@pytest.mark.parametrize("name", ["cluster", "mixture"])
@pytest.mark.parametrize("fusion", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("chunks", [1, 4])
def test_the_fused_score_is_the_published_sum(name: str, fusion: float, chunks: int, slow_distances: Any) -> None:
    queries, gallery, codebook = features(3, 1), features(25, 2), given_codebook(chunks, 4, 8)
    scores = create_ranker(name, chunks=chunks, fusion=fusion).scorer(queries, gallery, codebook)(slice(0, 3))
    for b in range(3):
        for g in range(25):
            cluster, own = slow_parts(queries[b], gallery[g], codebook, slow_distances)
            assert scores[b, g] == pytest.approx(-((1 - fusion) * cluster + fusion * own), abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(st.integers(0, 11), min_size=1, max_size=60), chunks=st.sampled_from([1, 2, 4]), k=st.integers(1, 70)
)
def test_without_fusion_the_order_is_cluster_then_own_distance_then_row(kinds: list[int], chunks: int, k: int) -> None:
    queries, gallery, codebook = features(4, 3), features(12, 4)[kinds], given_codebook(chunks, 3, 8)
    ranker = create_ranker("cluster", chunks=chunks, fusion=0)
    cosine, codes, distance = CosineScorer(queries, gallery), codebook.encode(gallery), codebook.distances(queries)
    score_BK, row_BK = ranker.searcher(gallery, codebook).search(queries, k)
    scores_BG = ranker.scorer(queries, gallery, codebook)(slice(0, 4))
    for b in range(4):
        cluster = [sum(distance[b, m, codes[g, m]] for m in range(chunks)) for g in range(len(kinds))]
        own = cosine(slice(0, 4))[b]
        assert row_BK[b].tolist() == sorted(range(len(kinds)), key=lambda g: (cluster[g], -own[g], g))[:k]
        assert len(set(scores_BG[b].tolist())) == len(set(kinds)), "only equal pictures tie"
        assert np.abs(scores_BG[b] + cluster).max() < 2.0**-20
    np.testing.assert_array_equal(score_BK, np.take_along_axis(scores_BG, row_BK, axis=1))


def test_the_ties_of_a_cluster_reach_the_evaluator_where_they_are_wanted() -> None:
    queries, gallery, codebook = features(2, 5), features(40, 6), given_codebook(1, 3, 8)
    scores = create_ranker("cluster", chunks=1, fusion=0, tie_break="none").scorer(queries, gallery, codebook)
    codes = codebook.encode(gallery)[:, 0]
    for row in scores(slice(0, 2)):
        assert [len(set(row[codes == code])) for code in np.unique(codes)] == [1] * len(np.unique(codes))
    ranked = rank_block(scores(slice(0, 2)), np.ones((2, 40), bool))
    assert sorted(ranked.size_T[ranked.row_T == 0].tolist()) == sorted(np.bincount(codes)[np.unique(codes)].tolist())
    broken = create_ranker("cluster", chunks=1, fusion=0).scorer(queries, gallery, codebook)(slice(0, 2))
    assert rank_block(broken, np.ones((2, 40), bool)).size_T.tolist() == [1] * 80


@pytest.mark.parametrize("options", [{}, {"fusion": 0}, {"fusion": 0, "tie_break": "none"}])
def test_blocks_and_tiles_do_not_show(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery, codebook = features(23, 7, 32), features(150, 8, 32), given_codebook(2, 5, 32)
    gallery[100:] = gallery[:50]
    ranker = create_ranker("cluster", **options)
    whole = ranker.scorer(queries, gallery, codebook)(slice(0, 23))
    best = [ranker.searcher(gallery, codebook).search(queries, k) for k in (1, 7, 150)]
    for k, (score_BK, row_BK) in zip((1, 7, 150), best, strict=True):
        np.testing.assert_array_equal(row_BK, np.argsort(-whole, axis=1, kind="stable")[:, :k])
        np.testing.assert_array_equal(score_BK, -np.sort(-whole, axis=1)[:, :k])
    monkeypatch.setattr("sketchray.ranking.scoring.TILE", 13)
    monkeypatch.setattr("sketchray.ranking.topk.BLOCK", 4)
    one_by_one = [ranker.scorer(queries[i : i + 1], gallery, codebook)(slice(0, 1)) for i in range(23)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), whole)
    for k, (score_BK, row_BK) in zip((1, 7, 150), best, strict=True):
        score, row = ranker.searcher(gallery, codebook).search(queries, k)
        np.testing.assert_array_equal(row, row_BK)
        np.testing.assert_array_equal(score, score_BK)


def test_shards_merge_by_score_to_the_whole() -> None:
    queries, gallery, codebook = features(6, 9), features(90, 10), given_codebook(2, 4, 8)
    ranker = create_ranker("mixture", fusion=0)
    whole, _ = ranker.searcher(gallery, codebook).search(queries, 90)
    halves = [ranker.searcher(half, codebook).search(queries, 90)[0] for half in (gallery[:31], gallery[31:])]
    np.testing.assert_array_equal(-np.sort(-np.concatenate(halves, axis=1), axis=1), whole)


@pytest.mark.parametrize("fusion", [0.0, 0.2])
def test_a_codeword_for_every_item_is_plain_retrieval(fusion: float) -> None:
    queries, gallery = features(5, 11), features(60, 12)
    ranker = create_ranker("cluster", chunks=1, codewords=60, fusion=fusion)
    _, row_BK = ranker.searcher(gallery, ranker.fit(gallery)).search(queries, 60)
    plain = create_ranker("nearest")
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    np.testing.assert_array_equal(row_BK, plain.searcher(gallery, None).search(unit, 60)[1])


def test_wrong_questions_are_explained() -> None:
    gallery, codebook = features(9, 13), given_codebook(2, 3, 8)
    ranker = create_ranker("cluster")
    searcher = ranker.searcher(gallery, codebook)
    assert (searcher.rows, searcher.dimension) == (9, 8)
    assert searcher.search(np.empty((0, 8)), 3)[1].shape == (0, 3)
    for query, k, message in [
        (gallery, 0, "k is 0"),
        (features(2, 1, 6), 1, "the gallery has 8 dimensions"),
        (0 * gallery, 1, "query embedding 0 is zero"),
    ]:
        with pytest.raises(ValueError, match=message):
            searcher.search(query, k)
    with pytest.raises(ValueError, match="needs the codebook"):
        ranker.scorer(gallery, gallery, None)
    with pytest.raises(ValueError, match="6 dimensions, the codebook has 8"):
        ranker.scorer(features(2, 1, 6), features(9, 1, 6), codebook)
