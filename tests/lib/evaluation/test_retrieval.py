"""Whole evaluations: blocks, classes, averages, chance."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sketchray.evaluation import (
    Evaluation,
    MetricConfig,
    PerQuery,
    class_numbers,
    describe,
    evaluate,
    harmonic_means,
    measure,
    summarise,
)
from sketchray.ranking import CosineScorer

Floats = npt.NDArray[np.float64]
SMALL = MetricConfig(map_at=(3, 20), precision_at=(4, 50), hit_at=(1, 10))


def features(rows: int, seed: int, dim: int = 8, decimals: int | None = None) -> Floats:
    values = np.random.default_rng(seed).normal(size=(rows, dim)) + 0.2
    return values if decimals is None else np.round(values, decimals) + 0.5


def classes(rows: int, names: str = "abc") -> list[str]:
    return [names[row % len(names)] for row in range(rows)]


def test_every_metric_equals_a_loop_over_the_queries(slow: Any) -> None:
    queries, gallery = features(9, 0), features(60, 1)
    gallery_classes = [*classes(50), *["other"] * 5, *[None] * 5]
    result = evaluate(queries, classes(9), gallery, gallery_classes, config=SMALL)

    expected: dict[str, dict[str, list[float]]] = {}
    for query, name in zip(queries, classes(9), strict=True):
        cosines = [query @ item / np.linalg.norm(query) / np.linalg.norm(item) for item in gallery]
        flags = [gallery_classes[item] == name for item in sorted(range(60), key=lambda item: -cosines[item])]
        values = {"map@all[plain]": slow.ap(flags), "map@all[voc]": slow.voc_ap(flags)}
        for k in (3, 20):
            values |= {f"map@{k}[{by}]": slow.ap(flags, k, by) for by in ("min", "hits", "all")}
            values[f"map@{k}[voc]"] = slow.voc_ap(flags, k)
        for k in (4, 50):
            values |= {f"p@{k}[{by}]": slow.precision(flags, k, by) for by in ("k", "min")}
        values |= {f"hit@{k}": slow.hit(flags, k) for k in (1, 10)}
        for metric, value in values.items():
            expected.setdefault(metric, {}).setdefault(name, []).append(value)

    assert set(result.metrics) == set(result.metrics_macro) == set(result.chance) == set(expected)
    for metric, by_class in expected.items():
        assert result.metrics[metric] == pytest.approx(np.mean([v for values in by_class.values() for v in values]))
        assert result.metrics_macro[metric] == pytest.approx(np.mean([np.mean(v) for v in by_class.values()]))
    assert result.map_by_class == pytest.approx({n: np.mean(v) for n, v in expected["map@all[plain]"].items()})
    assert (result.queries, result.gallery, result.distractors) == (9, 60, 10)


@pytest.mark.parametrize("decimals", [None, 0], ids=["distinct", "tied"])
def test_any_blocking_gives_the_identical_numbers(decimals: int | None) -> None:
    queries, gallery = features(37, 2, 4, decimals), features(201, 3, 4, decimals)
    seen: list[int] = []

    def run(memory: int) -> Evaluation:
        return evaluate(queries, classes(37), gallery, classes(201), config=SMALL, memory=memory, progress=seen.append)

    whole = run(2**30)
    assert seen == [37]
    assert (whole.queries_with_ties > 0) == (decimals is not None)
    assert run(1) == whole
    assert seen == [37] + [1] * 37
    assert run(80 * 201 * 10) == whole
    assert seen[38:] == [10, 10, 10, 7]


def test_blocking_does_not_show_in_the_last_digit_of_long_and_uneven_lists() -> None:
    """Sums over hundreds of positives, some queries with ties and some without, in blocks of any width."""
    gallery = features(1500, 3, 16)
    gallery[100:160] = gallery[:60]
    queries = features(12, 2, 16)
    query_numbers = np.arange(12) % 3
    gallery_numbers = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [900, 500, 100]))
    score, config = CosineScorer(queries, gallery), MetricConfig(map_at=(150, 700))
    whole = measure(score, query_numbers, gallery_numbers, config=config)
    one_by_one = measure(score, query_numbers, gallery_numbers, config=config, memory=1)
    assert whole.tied_Q.any()
    for name, values in whole.values.items():
        np.testing.assert_array_equal(values, one_by_one.values[name], err_msg=name)


def test_parts_measured_apart_join_to_the_identical_numbers() -> None:
    queries, gallery = features(23, 4, 4, 0), features(90, 5, 4, 0)
    names, query_numbers, gallery_numbers = class_numbers(classes(23), classes(90))
    parts = [
        measure(CosineScorer(queries[a:b], gallery), query_numbers[a:b], gallery_numbers, config=SMALL, first_query=a)
        for a, b in ((0, 10), (10, 11), (11, 23))
    ]
    joined = summarise(PerQuery.join(parts), names, gallery_numbers, config=SMALL)
    assert joined == evaluate(queries, classes(23), gallery, classes(90), config=SMALL)


def test_queries_without_positive_are_counted_and_left_out() -> None:
    queries, gallery = features(6, 10), features(20, 11)
    gallery_classes = ["a" if row % 2 else "b" for row in range(20)]
    with_lost = evaluate(queries, ["a", "b", "c", "a", "d", "c"], gallery, gallery_classes)
    without = evaluate(queries[[0, 1, 3]], ["a", "b", "a"], gallery, gallery_classes)
    assert (with_lost.queries, with_lost.queries_without_positive) == (3, 3)
    assert with_lost.classes_without_positive == ["c", "d"]
    assert with_lost.metrics == without.metrics
    assert with_lost.metrics_macro == without.metrics_macro


def test_chance_is_what_random_embeddings_get() -> None:
    rng = np.random.default_rng(0)
    query_classes = [*["a"] * 3000, *["b"] * 1000]
    gallery_classes = ["a"] * 10 + ["b"] * 30 + [None] * 20
    result = evaluate(rng.normal(size=(4000, 64)), query_classes, rng.normal(size=(60, 64)), gallery_classes)
    for name, value in result.chance.items():
        assert result.metrics[name] == pytest.approx(value, abs=0.05), name
        assert result.metrics_macro[name] == pytest.approx(result.chance_macro[name], abs=0.05), name
    assert result.chance["map@200[voc]"] > result.chance["map@200[min]"]
    assert result.chance["p@4[k]"] == pytest.approx(0.75 * 10 / 60 + 0.25 * 30 / 60)
    assert result.chance_macro["p@4[k]"] == pytest.approx(0.5 * 10 / 60 + 0.5 * 30 / 60)


def test_curve_is_precision_over_rank() -> None:
    result = evaluate(features(5, 12), classes(5), features(30, 13), classes(30))
    assert result.curve.ranks == [1, 2, 5, 10, 20]
    assert result.curve.chance == pytest.approx(result.chance["p@4[k]"])
    assert result.curve.precision[-1] == pytest.approx(
        evaluate(
            features(5, 12), classes(5), features(30, 13), classes(30), config=MetricConfig(precision_at=(20,))
        ).metrics["p@20[k]"]
    )


def test_result_survives_json() -> None:
    result = evaluate(features(5, 12), classes(5), features(30, 13), classes(30))
    assert Evaluation.model_validate_json(result.model_dump_json()) == result
    assert all(describe(name) for name in result.metrics)


def test_harmonic_mean_of_the_generalised_setting() -> None:
    assert harmonic_means({"a": 0.5, "b": 0.0}, {"a": 0.25, "b": 0.0}) == pytest.approx({"a": 1 / 3, "b": 0.0})


@pytest.mark.parametrize("name", ["map", "map@200[plain]", "p@5", "hit@5[k]", "recall@5", ""])
def test_unknown_metric_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no metric is called"):
        describe(name)


def test_bad_input_names_what_and_where() -> None:
    queries, gallery = features(3, 0), features(4, 1)
    with pytest.raises(ValueError, match="8 dimensions, those of the gallery 5"):
        evaluate(queries, classes(3), gallery[:, :5], classes(4))
    with pytest.raises(ValueError, match="4 gallery embeddings but 3 class names"):
        evaluate(queries, classes(3), gallery, classes(3))
    with pytest.raises(ValueError, match="query 1 has no class"):
        evaluate(queries, ["a", None, "b"], gallery, classes(4))
    with pytest.raises(ValueError, match="spelled the same"):
        evaluate(queries, ["x"] * 3, gallery, classes(4))
    with pytest.raises(ValueError, match="no queries"):
        evaluate(queries[:0], [], gallery, classes(4))
    for value in (np.nan, np.inf, 0.0):
        broken = gallery.copy()
        broken[2] = value
        with pytest.raises(ValueError, match="gallery embedding 2 is zero or not finite"):
            evaluate(queries, classes(3), broken, classes(4))
