"""Manifold ranking against its formulas as loops, what it is for, and its limits."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.config import ConfigError
from sketchray.ranking import Codebook, create_ranker
from sketchray.ranking.codebook import Fitted, Walk, WalkPlan
from sketchray.ranking.kmeans import kmeans
from sketchray.ranking.manifold import mean_ends, walk_ends


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True))


def slow_ends(x_ND: np.ndarray, centres_KD: np.ndarray, plan: WalkPlan) -> np.ndarray:
    """Return where walks end, by shares as loops and the sum of all walks of 0, 1, 2 ... steps."""
    rows, codewords = len(x_ND), len(centres_KD)
    share = [[0.0] * codewords for _ in range(rows)]
    for n, x in enumerate(x_ND.tolist()):
        cosine = [sum(a * b for a, b in zip(x, centre, strict=True)) for centre in centres_KD.tolist()]
        near = sorted(range(codewords), key=lambda k: (-cosine[k], k))[: plan.neighbours]
        weight = {k: math.exp(cosine[k] / plan.tau_graph) for k in near}
        for k in near:
            share[n][k] = weight[k] / sum(weight.values())
    step = np.zeros((codewords, codewords))
    for j in range(codewords):
        held = sum(share[n][j] for n in range(rows))
        for k in range(codewords):
            step[j, k] = sum(share[n][j] * share[n][k] for n in range(rows)) / held if held else float(j == k)
    ends, walked, still = np.zeros_like(step), np.eye(codewords), 1.0
    while still > 1e-12:
        ends += (1 - plan.go_on) * still * walked
        walked, still = walked @ step, still * plan.go_on
    return ends


@pytest.mark.parametrize(
    "options", [{}, {"neighbours": 2, "go_on": 0.5}, {"neighbours": 50, "tau_graph": 0.3}, {"go_on": 0.0}]
)
def test_a_walk_ends_where_the_sum_of_all_walks_does(
    options: dict[str, Any], blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_ND, plan = unit(blobs()), WalkPlan(**options)
    centres_KD = x_ND[::9]
    ends_KK = walk_ends(x_ND, centres_KD, plan)
    np.testing.assert_allclose(ends_KK, slow_ends(x_ND, centres_KD, plan), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ends_KK.sum(axis=1), 1, rtol=0, atol=1e-9)
    monkeypatch.setattr("sketchray.ranking.manifold.BLOCK", 7)
    np.testing.assert_allclose(walk_ends(x_ND, centres_KD, plan), ends_KK, rtol=0, atol=1e-12)


def slow_mean(x_ND: np.ndarray, centres_KD: np.ndarray, plan: WalkPlan, *, seed: int) -> np.ndarray:
    """Return the mean of the walks, row by row: which codeword and which coarse one it lies in."""

    def nearest(x: np.ndarray, centres: np.ndarray) -> int:
        cosine = [sum(a * b for a, b in zip(x.tolist(), centre, strict=True)) for centre in centres.tolist()]
        return cosine.index(max(cosine))

    codewords = len(centres_KD)
    coarse, total = -(-codewords // plan.finer), np.zeros((codewords, codewords))
    for walk in range(plan.walks):
        coarse_LD = unit(kmeans(x_ND, coarse, seed=seed + walk))
        held = [(nearest(x, centres_KD), nearest(x, coarse_LD)) for x in x_ND]
        walked = slow_ends(x_ND, coarse_LD, plan).tolist()
        for k in range(codewords):
            starts = [b for a, b in held if a == k] or [nearest(centres_KD[k], coarse_LD)]
            for start in starts:
                for end, share in enumerate(walked[start]):
                    into = [a for a, b in held if b == end] or [nearest(coarse_LD[end], centres_KD)]
                    for j in into:
                        total[k, j] += share / (len(into) * len(starts) * plan.walks)
    return total


@pytest.mark.parametrize(
    "options", [{}, {"walks": 1, "finer": 1}, {"walks": 3, "finer": 2, "go_on": 0.5}, {"finer": 99}]
)
def test_the_mean_of_walks_goes_through_the_rows(options: dict[str, Any], blobs: Any) -> None:
    x_ND, plan = unit(blobs(rows=8)), WalkPlan(**options)
    centres_KD = np.concatenate([x_ND[::3], -x_ND[:1]])  # the last is no row's nearest
    ends_KK = mean_ends(x_ND, centres_KD, plan, seed=3)
    np.testing.assert_allclose(ends_KK, slow_mean(x_ND, centres_KD, plan, seed=3), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ends_KK.sum(axis=1), 1, rtol=0, atol=1e-9)


def test_one_walk_over_codewords_no_finer_is_that_walk(blobs: Any) -> None:
    x_ND, plan = unit(blobs()), WalkPlan(walks=1, finer=1)
    centres_KD = unit(kmeans(x_ND, 11, seed=4))
    ends_KK = mean_ends(x_ND, centres_KD, plan, seed=4)
    np.testing.assert_allclose(ends_KK, walk_ends(x_ND, centres_KD, plan), rtol=0, atol=1e-12)


def test_a_codeword_that_is_no_rows_neighbour_stays_alone() -> None:
    x_ND = unit(np.random.default_rng(0).normal(size=(30, 4)) / 9 + np.eye(4)[0])
    centres_KD, plan = np.concatenate([x_ND[:3], -x_ND[:1]]), WalkPlan(neighbours=3)
    ends_KK = walk_ends(x_ND, centres_KD, plan)
    np.testing.assert_allclose(ends_KK, slow_ends(x_ND, centres_KD, plan), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ends_KK[3], [0, 0, 0, 1], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(ends_KK[:3, 3], 0)


@pytest.mark.parametrize("tau", [0.005, 0.025, 1.0])
@pytest.mark.parametrize("fusion", [0.02, 0.5])
def test_the_score_is_the_soft_least_distance_along_the_walk(
    tau: float, fusion: float, blobs: Any, slow_distances: Any
) -> None:
    gallery_GD, query_BD = blobs(), blobs(clusters=1, rows=4, seed=5)
    ranker = create_ranker("manifold", codewords=9, tau=tau, fusion=fusion)
    codebook = ranker.fit(gallery_GD)
    assert codebook is not None
    assert codebook.walk is not None
    centres, ends = codebook.centres_MKC, codebook.walk.ends_KK.tolist()
    np.testing.assert_allclose(np.linalg.norm(centres[0], axis=1), 1, rtol=0, atol=1e-6)
    scores_BG = ranker.scorer(query_BD, gallery_GD, codebook)(slice(0, 4))
    for b, query in enumerate(query_BD):
        (distance,) = slow_distances(query, centres)
        for g, item in enumerate(gallery_GD):
            (own_K,) = slow_distances(item, centres)
            walk = ends[own_K.index(min(own_K))]
            spread = (
                -2
                * tau
                * math.log(math.fsum(p * math.exp(-d / (2 * tau)) for p, d in zip(walk, distance, strict=True)))
            )
            own = float(np.linalg.norm(unit(query[None]) - unit(item[None])))
            assert scores_BG[b, g] == pytest.approx(-((1 - fusion) * max(spread, 0) + fusion * own), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 99), st.floats(0, 0.99), st.sampled_from([0.005, 0.025, 0.5]))
def test_it_lies_between_the_least_and_the_largest_distance(
    codewords: int, seed: int, go_on: float, tau: float
) -> None:
    rng = np.random.default_rng(seed)
    x_ND, query_BD = rng.normal(size=(40, 5)), rng.normal(size=(3, 5))
    options: dict[str, Any] = {"walks": 1, "finer": 1} if go_on == 0 else {}
    book = create_ranker("manifold", codewords=codewords, go_on=go_on, tau=tau, seed=seed, **options).fit(x_ND)
    assert book is not None
    plain, spread = book.squared_distances(query_BD), book.distances(query_BD)
    assert (spread >= plain.min(axis=2, keepdims=True) - 1e-6).all()
    assert (spread <= plain.max(axis=2, keepdims=True) + 1e-6).all()
    if go_on == 0:
        np.testing.assert_allclose(spread, plain, rtol=0, atol=1e-6)


def test_what_hangs_together_is_found_from_one_end() -> None:
    """A third of a circle and a heap: the query is beside one end of the arc, and the heap nearer than its far end."""
    angle = np.concatenate([np.linspace(0, 2, 60), np.full(60, -1.2) + np.random.default_rng(0).normal(size=60) / 50])
    gallery_GD = np.stack([np.cos(angle), np.sin(angle), np.zeros(120)], axis=1)
    query_BD = unit(np.array([[np.cos(-0.2), np.sin(-0.2), 0.3]]))
    is_arc = np.arange(120) < 60

    def first(name: str) -> np.ndarray:
        options = {"cluster": {"codewords": 24, "chunks": 1}, "manifold": {"codewords": 24}}
        ranker = create_ranker(name, **options.get(name, {}))
        return np.asarray(is_arc[ranker.searcher(gallery_GD, ranker.fit(gallery_GD)).search(query_BD, 60)[1][0]])

    assert first("manifold").all()
    assert first("nearest").sum() < 45
    assert first("cluster").sum() < 45


def test_a_codeword_for_every_item_and_no_step_is_plain_retrieval() -> None:
    rng = np.random.default_rng(1)
    gallery_GD, query_BD = rng.normal(size=(60, 8)), unit(rng.normal(size=(5, 8)))
    ranker, plain = create_ranker("manifold", codewords=60, walks=1, finer=1, go_on=0.0), create_ranker("nearest")
    _, row_BK = ranker.searcher(gallery_GD, ranker.fit(gallery_GD)).search(query_BD, 60)
    np.testing.assert_array_equal(row_BK, plain.searcher(gallery_GD, None).search(query_BD, 60)[1])


@pytest.mark.parametrize(("rows", "codewords"), [(1, 1), (3, 1), (100, 50), (3600, 480)])
def test_the_number_of_codewords_grows_with_the_root_of_the_rows(rows: int, codewords: int) -> None:
    codebook = create_ranker("manifold").fit(np.random.default_rng(0).normal(size=(rows, 4)))
    assert codebook is not None
    assert codebook.codewords == codewords


def test_it_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sketchray.ranking.manifold.MOST_CODEWORDS", 11)
    codebook = create_ranker("manifold").fit(np.random.default_rng(0).normal(size=(100, 4)))
    assert codebook is not None
    assert codebook.codewords == 11


@pytest.mark.parametrize(
    "options", [{"go_on": 1.0}, {"tau": 0.0}, {"tau_graph": 0.0}, {"neighbours": 0}, {"walks": 0}, {"finer": 0}]
)
def test_a_walk_without_an_end_and_other_nonsense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"ranking\.{next(iter(options))}"):
        create_ranker("manifold", **options)


def test_a_walk_that_is_none_is_refused() -> None:
    fitted, plan = Fitted(kind="kmeans", seed=0, rows=3), WalkPlan()
    centres = np.eye(3, dtype=np.float32)[None]
    for ends, message in (
        (np.eye(3), "float64"),
        (np.ones((3, 2), np.float32) / 2, "codewords, codewords"),
        (np.full((3, 3), 0.5, np.float32), "no probabilities"),
        (np.full((3, 3), np.nan, np.float32), "no probabilities"),
        (np.eye(2, dtype=np.float32), "a walk of 2 codewords joins 1 x 3"),
    ):
        with pytest.raises(ValueError, match=message):
            Codebook(centres_MKC=centres, fitted=fitted, walk=Walk(ends_KK=ends, plan=plan))  # type: ignore[arg-type]
