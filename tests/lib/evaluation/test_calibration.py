"""Fitting the calibrated score and measuring it: against loops, on nothing it was fitted to."""

import math
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.encoders import Calibration
from sketchray.evaluation.calibration import FIRST, KNOTS, calibrate, cross_validate, fit_calibration
from sketchray.evaluation.reliability import reliability
from sketchray.evaluation.reliability_plot import reliability_plot

Floats = npt.NDArray[np.float64]
Pairs = list[tuple[float, bool]]
Block = list[float]  # mean score, weight with the pairs that are added, rate
PAIRS = st.lists(st.tuples(st.sampled_from([round(0.1 * n, 1) for n in range(-5, 10)]), st.booleans()), min_size=1)


def fit(pairs: Pairs, knots: int = KNOTS) -> Calibration:
    score_QG, relevant_QG = np.array([[s for s, _ in pairs]]), np.array([[r for _, r in pairs]])
    return fit_calibration(score_QG, relevant_QG, encoder="0" * 32, data="", knots=knots)


def slow_blocks(pairs: Pairs) -> list[Block]:
    """The max-min formula of isotonic regression, over distinct scores, with one pair more at either end."""
    scores = sorted({score for score, _ in pairs})
    counts = [sum(s == score for s, _ in pairs) for score in scores]
    hits: list[float] = [sum(r for s, r in pairs if s == score) for score in scores]
    weights: list[float] = list(counts)
    hits[0], weights[0] = hits[0] + 1, weights[0] + 1
    weights[-1] += 1
    blocks: list[list[int]] = []
    rates: list[float] = []
    for i in range(len(scores)):
        rate = max(
            min(sum(hits[j : k + 1]) / sum(weights[j : k + 1]) for k in range(i, len(scores))) for j in range(i + 1)
        )
        if rates and math.isclose(rates[-1], rate):
            blocks[-1].append(i)
        else:
            blocks.append([i])
            rates.append(rate)
    return [
        [sum(scores[i] * counts[i] for i in b) / sum(counts[i] for i in b), sum(weights[i] for i in b), rate]
        for b, rate in zip(blocks, rates, strict=True)
    ]


@settings(deadline=None, max_examples=80)
@given(PAIRS)
def test_the_knots_are_isotonic_regressions_blocks(pairs: Pairs) -> None:
    fitted, expected = fit(pairs, knots=15), slow_blocks(pairs)
    assert fitted.scores == pytest.approx([score for score, _, _ in expected], abs=1e-12)
    assert fitted.log_odds == pytest.approx([math.log(rate / (1 - rate)) for _, _, rate in expected], abs=1e-9)
    assert fitted.base_rate == pytest.approx(sum(r for _, r in pairs) / len(pairs))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_too_many_blocks_are_joined_where_it_costs_least(seed: int, knots: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-1, 1, 40)
    pairs = [(float(s), bool(r)) for s, r in zip(scores, rng.random(40) < (scores + 1) / 2, strict=True)]
    blocks = slow_blocks(pairs)
    while len(blocks) > knots:
        costs = []
        for (_, n, a), (_, m, b) in pairwise(blocks):
            mean = (n * a + m * b) / (n + m)
            costs.append(n * (a - mean) ** 2 + m * (b - mean) ** 2)
        at = costs.index(min(costs))
        (s, n, a), (t, m, b) = blocks[at], blocks[at + 1]
        blocks[at : at + 2] = [[(s * n + t * m) / (n + m), n + m, (a * n + b * m) / (n + m)]]
    fitted = fit(pairs, knots=knots)
    assert fitted.scores == pytest.approx([score for score, _, _ in blocks])
    assert fitted.log_odds == pytest.approx([math.log(rate / (1 - rate)) for _, _, rate in blocks])


@pytest.mark.parametrize(
    ("pairs", "probability"),
    [
        ([(0.1, True), (0.5, True), (0.7, True)], 4 / 5),
        ([(0.1, False), (0.5, False)], 1 / 4),
        ([(0.3, True), (0.3, False), (0.3, False)], 2 / 5),
        ([(0.3, True)], 2 / 3),
        ([(0.2, True), (0.8, False)], 1 / 2),  # scores that mislead say nothing, rather than the reverse
    ],
    ids=["all relevant", "none relevant", "constant scores", "one pair", "upside down"],
)
def test_where_scores_tell_nothing_laplaces_rule_is_left(pairs: Pairs, probability: float) -> None:
    said = fit(pairs).probability([-1, 0, 0.3, 1])
    np.testing.assert_allclose(said, probability, atol=0.003)
    assert (np.diff(said) > 0).all()


def made(classes: int, each: int, seed: int = 0) -> tuple[Floats, list[str], Floats, list[str]]:
    rng = np.random.default_rng(seed)
    centre_CD = rng.normal(size=(classes, 16))
    names = [f"class {number}" for number in range(classes) for _ in range(each)]
    spread = [np.repeat(centre_CD, each, axis=0) + rng.normal(size=(classes * each, 16)) * 1.5 for _ in range(2)]
    return spread[0], names, spread[1], names


def test_the_map_finds_the_probability_that_made_the_pairs() -> None:
    rng = np.random.default_rng(0)
    score_QG = rng.uniform(-1, 1, (200, 200))
    truth_QG = 1 / (1 + np.exp(3 - 6 * score_QG))
    fitted = fit_calibration(score_QG, rng.random(score_QG.shape) < truth_QG, encoder="0" * 32, data="")
    assert np.abs(fitted.probability(score_QG) - truth_QG).mean() < 0.02


def test_a_fold_is_judged_by_the_other_folds_alone() -> None:
    rng = np.random.default_rng(1)
    score_QG, relevant_QG, fold_Q = rng.normal(size=(6, 30)), rng.random((6, 30)) < 0.4, np.array([0, 0, 1, 1, 2, 2])
    said_QG = cross_validate(score_QG, relevant_QG, fold_Q, encoder="0" * 32, data="")
    for fold in range(3):
        here_Q = fold_Q == fold
        other = fit_calibration(score_QG[~here_Q], relevant_QG[~here_Q], encoder="0" * 32, data="")
        np.testing.assert_array_equal(said_QG[here_Q], other.probability(score_QG[here_Q]))


def test_calibration_of_embeddings_holds_on_classes_it_has_not_met() -> None:
    queries, query_names, gallery, names = made(8, 20)
    result = calibrate(queries, query_names, gallery, names, encoder="a" * 32, data="made")
    assert (result.folds, result.overall.count, result.first.count) == (5, 160 * 160, 160 * FIRST)
    assert (result.calibration.encoder, result.calibration.data) == ("a" * 32, "made")
    assert (result.calibration.queries, result.calibration.pictures) == (160, 160)
    assert result.calibration.base_rate == result.overall.base_rate == pytest.approx(1 / 8)
    assert result.overall.ece < 0.02
    assert result.overall.brier < 0.9 * (1 / 8) * (7 / 8)
    assert result.first.base_rate > 0.4


def test_the_order_of_the_samples_does_not_change_the_map() -> None:
    queries, names, gallery, _ = made(3, 5)
    order = np.random.default_rng(2).permutation(15)
    shuffled = [names[row] for row in order]
    first = calibrate(queries, names, gallery, names, encoder="a" * 32, data="")
    again = calibrate(queries[order], shuffled, gallery[order], shuffled, encoder="a" * 32, data="")
    assert first.calibration == again.calibration
    assert again.overall.ece == pytest.approx(first.overall.ece)


@pytest.mark.parametrize(
    ("query_names", "gallery_rows", "said"),
    [
        (["a", "a"], 2, "two classes and a gallery, not 1 classes and 2 pictures"),
        (["a", "b"], 0, "two classes and a gallery, not 2 classes and 0 pictures"),
        (["a", "b", "c"], 2, "2 query embeddings but 3 class names"),
    ],
)
def test_too_little_to_calibrate_on_is_refused(query_names: list[str], gallery_rows: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        calibrate(
            np.eye(2), query_names, np.eye(2)[:gallery_rows], ["a", "b"][:gallery_rows], encoder="a" * 32, data=""
        )


EDGES = [n / 10 for n in range(11)]
SAID = st.one_of(st.floats(0, 1), st.sampled_from(EDGES), st.sampled_from([math.nextafter(edge, 0) for edge in EDGES]))


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(SAID, st.booleans()), min_size=1))
def test_reliability_equals_a_loop_over_the_bins(pairs: Pairs) -> None:
    result = reliability([p for p, _ in pairs], [r for _, r in pairs])
    error, bins = 0.0, []
    for low, high in pairwise(EDGES):
        inside = [(p, r) for p, r in pairs if low <= p < high or p == high == 1]
        if inside:
            predicted, observed = (sum(values) / len(inside) for values in zip(*inside, strict=True))
            error += abs(predicted - observed) * len(inside) / len(pairs)
            bins.append((low, high, len(inside), predicted, observed))
    assert result.ece == pytest.approx(error)
    assert result.brier == pytest.approx(sum((p - r) ** 2 for p, r in pairs) / len(pairs))
    assert [(b.low, b.high, b.count) for b in result.bins] == [bin[:3] for bin in bins]
    assert [x for b in result.bins for x in (b.predicted, b.observed)] == pytest.approx(
        [x for b in bins for x in b[3:]]
    )
    assert len(result.markdown().splitlines()) == 2 + len(bins)


def test_what_is_no_probability_is_refused() -> None:
    for said, relevant in (([0.5, 1.5], [True, False]), ([math.nan], [True]), ([], []), ([0.5], [True, False])):
        with pytest.raises(ValueError, match="probabilit"):
            reliability(said, relevant)


def test_the_diagram_has_a_dot_for_every_bin_in_its_place() -> None:
    lines = {"a <b>": reliability([0.05, 0.55, 0.95], [False, True, True]), "perfect": reliability([1.0], [True])}
    svg = ElementTree.fromstring(reliability_plot(lines))
    dots = svg.findall("{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 4
    assert (float(dots[-1].attrib["cx"]), float(dots[-1].attrib["cy"])) == (56 + 360, 56)
    assert any((text.text or "").startswith("a <b>: 3 pairs") for text in svg.iter("{http://www.w3.org/2000/svg}text"))
