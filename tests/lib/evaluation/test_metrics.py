"""Each metric against its loop definition: without ties, and as the mean over every order of the ties."""

from functools import partial
from random import Random
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torchmetrics.functional import retrieval

from sketchray.evaluation.metrics import average_precision, hit_rate, interpolated_average_precision, precision
from sketchray.evaluation.ranked import RankedBlock, rank_block, unordered

Items = list[tuple[float, bool]]
DENOMINATORS: tuple[Literal["min", "hits", "all"], ...] = ("min", "hits", "all")
PRECISIONS: tuple[Literal["k", "min"], ...] = ("k", "min")

# Short lists over few scores: ties of every shape, small enough to try every order.
tied_lists = st.lists(st.tuples(st.sampled_from([-1.5, 0.0, 2.0]), st.booleans()), min_size=1, max_size=6).filter(
    lambda items: any(relevant for _, relevant in items)
)
untied_lists = st.lists(st.booleans(), min_size=1, max_size=40).filter(any)
cuts = st.integers(1, 8)


def one_query(scores: npt.ArrayLike, flags: npt.ArrayLike) -> RankedBlock:
    return rank_block(np.asarray(scores)[None], np.asarray(flags)[None])


@settings(max_examples=150, deadline=None)
@given(items=tied_lists, k=cuts)
def test_expectations_over_ties_equal_the_mean_over_every_order(slow: Any, items: Items, k: int) -> None:
    scores, flags = [score for score, _ in items], [relevant for _, relevant in items]
    ranked = one_query(scores, flags)
    expect = partial(slow.expected, scores=scores, flags=flags)
    for name in DENOMINATORS:
        assert average_precision(ranked, k, denominator=name)[0] == pytest.approx(
            expect(lambda order, name=name: slow.ap(order, k, name)), abs=1e-12
        )
        assert average_precision(ranked, denominator=name)[0] == pytest.approx(expect(slow.ap), abs=1e-12)
    for divisor in PRECISIONS:
        assert precision(ranked, k, denominator=divisor)[0] == pytest.approx(
            expect(lambda order, name=divisor: slow.precision(order, k, name)), abs=1e-12
        )
    assert hit_rate(ranked, k)[0] == pytest.approx(expect(lambda order: slow.hit(order, k)), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(items=tied_lists, k=cuts)
def test_interpolated_precision_over_ties_nears_the_mean_over_every_order(slow: Any, items: Items, k: int) -> None:
    scores, flags = [score for score, _ in items], [relevant for _, relevant in items]
    whole, top = interpolated_average_precision(one_query(scores, flags), (None, k), draws=1500, seed=3)
    # The values lie in [0, 1], so the standard error of 1,500 draws is at most 0.013.
    assert whole[0] == pytest.approx(slow.expected(slow.voc_ap, scores, flags), abs=0.055)
    assert top[0] == pytest.approx(slow.expected(lambda order: slow.voc_ap(order, k), scores, flags), abs=0.055)


@settings(deadline=None)
@given(flags=untied_lists, k=st.integers(1, 50))
def test_without_ties_every_metric_is_its_definition(slow: Any, flags: list[bool], k: int) -> None:
    ranked = one_query(-np.arange(len(flags)), flags)
    for name in DENOMINATORS:
        assert average_precision(ranked, k, denominator=name)[0] == pytest.approx(slow.ap(flags, k, name))
    whole, top = interpolated_average_precision(ranked, (None, k), draws=3)
    assert whole[0] == pytest.approx(slow.voc_ap(flags))
    assert top[0] == pytest.approx(slow.voc_ap(flags, k))
    assert precision(ranked, k)[0] == pytest.approx(slow.precision(flags, k))
    assert precision(ranked, k, denominator="min")[0] == pytest.approx(slow.precision(flags, k, "min"))
    assert hit_rate(ranked, k)[0] == slow.hit(flags, k)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), items=st.integers(2, 80))
def test_plain_average_precision_is_scikit_learns(seed: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(items).astype(np.float32)
    flags = rng.random(items) < 0.3
    flags[0] = True
    assert average_precision(one_query(scores, flags))[0] == pytest.approx(average_precision_score(flags, scores))


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), items=st.integers(2, 80), k=st.integers(1, 90))
def test_hits_denominator_is_scikit_learn_on_the_top_of_the_list(seed: int, items: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(items)
    flags = rng.random(items) < 0.3
    flags[0] = True
    top = np.argsort(-scores)[:k]
    expected = average_precision_score(flags[top], scores[top]) if flags[top].any() else 0.0
    assert average_precision(one_query(scores, flags), k, denominator="hits")[0] == pytest.approx(expected)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), items=st.integers(2, 80), k=st.integers(1, 90))
def test_torchmetrics_agrees_where_it_defines_the_same(seed: int, items: int, k: int) -> None:
    """Its average precision at k divides by the hits; it counts nothing as relevant whose score is not above zero."""
    rng = np.random.default_rng(seed)
    scores = 1 + rng.permutation(items).astype(np.float32)
    flags = rng.random(items) < 0.3
    flags[0] = True
    ranked, theirs = one_query(scores, flags), (torch.from_numpy(scores), torch.from_numpy(flags))
    expected = {
        "map": retrieval.retrieval_average_precision(*theirs),
        "map@k": retrieval.retrieval_average_precision(*theirs, top_k=k),
        "p@k": retrieval.retrieval_precision(*theirs, top_k=k),
        "hit@k": retrieval.retrieval_hit_rate(*theirs, top_k=k),
    }
    ours = {
        "map": average_precision(ranked),
        "map@k": average_precision(ranked, k, denominator="hits"),
        "p@k": precision(ranked, k),
        "hit@k": hit_rate(ranked, k),
    }
    for name, value in expected.items():
        assert ours[name][0] == pytest.approx(value.item(), abs=1e-6), name


@settings(deadline=None)
@given(items=tied_lists, order=st.randoms())
def test_the_lists_own_order_never_matters(items: Items, order: Random) -> None:
    shuffled = list(items)
    order.shuffle(shuffled)

    def values(chosen: Items) -> list[npt.NDArray[np.float64]]:
        ranked = one_query([score for score, _ in chosen], [relevant for _, relevant in chosen])
        return [average_precision(ranked), precision(ranked, 2), *interpolated_average_precision(ranked, (None, 3))]

    np.testing.assert_array_equal(values(items), values(shuffled))


def test_class_sorted_list_with_equal_scores_is_chance() -> None:
    flags = np.repeat([True, False], [5, 45])
    for listed in (flags, flags[::-1]):
        ranked = one_query(np.zeros(50), listed)
        assert precision(ranked, 10)[0] == pytest.approx(0.1)
        assert average_precision(ranked)[0] == pytest.approx(average_precision(unordered([5], 50))[0])


def test_chance_level_is_the_mean_over_random_rankings() -> None:
    rng = np.random.default_rng(0)
    flags = np.arange(30) < 6
    random = rank_block(rng.permuted(np.tile(np.arange(30), (20_000, 1)), axis=1), np.tile(flags, (20_000, 1)))
    chance = unordered([6], 30)
    for name in DENOMINATORS:
        expected = average_precision(random, 10, denominator=name).mean()
        assert average_precision(chance, 10, denominator=name)[0] == pytest.approx(expected, abs=0.006)
    assert hit_rate(chance, 10)[0] == pytest.approx(hit_rate(random, 10).mean(), abs=0.006)
    (voc,), (voc_chance,) = (interpolated_average_precision(r, draws=4000) for r in (random, chance))
    assert voc_chance[0] == pytest.approx(voc.mean(), abs=0.01)


@pytest.fixture(scope="module")
def gallery_of_25_classes() -> RankedBlock:
    """A synthetic benchmark of the usual shape: 25 classes of 400 pictures, a moderately good encoder."""
    rng = np.random.default_rng(7)
    labels = np.repeat(np.arange(25), 400)
    centres = rng.normal(size=(25, 24))
    gallery = centres[labels] + 1.1 * rng.normal(size=(len(labels), 24))
    queries = np.repeat(centres, 4, axis=0) + 1.5 * rng.normal(size=(100, 24))
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    return rank_block(queries @ gallery.T, np.repeat(np.arange(25), 4)[:, None] == labels)


def test_relations_between_the_variants(gallery_of_25_classes: RankedBlock) -> None:
    """With 200 positives or more mAP@200[min] can never exceed P@200: rows that do use another denominator."""
    ranked = gallery_of_25_classes
    (voc, voc200) = interpolated_average_precision(ranked, (None, 200))
    plain = average_precision(ranked)
    at200 = {name: average_precision(ranked, 200, denominator=name) for name in DENOMINATORS}
    p200 = precision(ranked, 200)
    assert (at200["min"] <= p200 + 1e-12).all()
    assert (at200["all"] <= at200["min"]).all()
    assert (at200["min"] <= at200["hits"] + 1e-12).all()
    assert (voc >= plain).all()
    assert (voc200 >= at200["min"]).all()
    np.testing.assert_array_equal(p200, precision(ranked, 200, denominator="min"))
    # The sizes of the gaps that make published rows incomparable: the envelope hardly matters, the denominator does.
    assert 0 < voc.mean() - plain.mean() < 0.01
    assert 0 < voc200.mean() - at200["min"].mean() < 0.01
    assert at200["hits"].mean() - at200["min"].mean() > 0.08


def test_query_without_positives_is_nan_everywhere_and_disturbs_no_neighbour(slow: Any) -> None:
    scores = np.array([[3.0, 2.0, 1.0]] * 3)
    ranked = rank_block(scores, [[True, False, True], [False] * 3, [False, True, False]])
    for values in (
        average_precision(ranked),
        average_precision(ranked, 2, denominator="hits"),
        precision(ranked, 2),
        precision(ranked, 2, denominator="min"),
        hit_rate(ranked, 1),
        interpolated_average_precision(ranked)[0],
    ):
        np.testing.assert_array_equal(np.isnan(values), [False, True, False])
    assert average_precision(ranked)[0] == pytest.approx(slow.ap([True, False, True]))


def test_unusable_cuts_are_refused() -> None:
    ranked = one_query([1.0, 0.0], [True, False])
    with pytest.raises(ValueError, match="k must be 1 or more"):
        precision(ranked, 0)
    with pytest.raises(ValueError, match="draws must be 1 or more"):
        interpolated_average_precision(ranked, draws=0)
