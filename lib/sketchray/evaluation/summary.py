"""From one value a query to the numbers of a report: means over queries, means over classes, and chance beside them."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sketchray.config import Config
from sketchray.evaluation.ranked import Floats, Ints, unordered
from sketchray.evaluation.suite import MetricConfig, curve_ranks, metric_values

if TYPE_CHECKING:
    from sketchray.evaluation.retrieval import PerQuery


CHANCE_ITEMS = 4_000_000  # items that are put in random orders for the chance level, in all


class Curve(Config):
    """Mean precision among the first ``ranks`` items, and the one that a random order has at every rank."""

    ranks: list[int]
    precision: list[float]
    chance: float


class Evaluation(Config):
    """The result of one evaluation.

    Args:
        metrics: mean over queries, by metric name (``suite.describe`` explains a name).
        metrics_macro: mean over classes of the mean over their queries.
        chance, chance_macro: the same for a ranking that knows nothing, in expectation over all orders.
        queries: those that count; queries_without_positive: those left out because the gallery holds nothing of
            their class; classes_without_positive: of these classes; queries_with_ties: those that count and whose
            values are expectations, because a relevant item ties with another.
        gallery: items; distractors: items that are relevant to no query.
        map_by_class: ``map@all[plain]`` of each class.
        curve: precision over rank.
    """

    metrics: dict[str, float]
    metrics_macro: dict[str, float]
    chance: dict[str, float]
    chance_macro: dict[str, float]
    queries: int
    queries_without_positive: int
    classes_without_positive: list[str]
    queries_with_ties: int
    gallery: int
    distractors: int
    map_by_class: dict[str, float]
    curve: Curve


def summarise(
    measured: "PerQuery", class_names: list[str], gallery_class_G: Ints, *, config: MetricConfig
) -> Evaluation:
    """Average what was measured; queries without a relevant item are counted and left out.

    Args:
        measured: all queries. class_names: by class number. gallery_class_G: class number of each gallery item.
        config: the one that was measured with.

    Raises:
        ValueError: no query at all has a relevant item in the gallery.
    """
    counts = measured.positives_Q > 0
    if not counts.any():
        raise ValueError("no query has an item of its class in the gallery: are the class names spelled the same?")
    class_Q = measured.class_Q[counts]
    classes, class_of_query = np.unique(class_Q, return_inverse=True)
    by_class = {
        name: _class_means(values[counts], class_of_query, len(classes)) for name, values in measured.values.items()
    }
    positives = np.bincount(gallery_class_G[gallery_class_G >= 0], minlength=len(class_names))[classes]
    chance = _chance(positives, len(gallery_class_G), config)
    return Evaluation(
        metrics={name: float(values[counts].mean()) for name, values in measured.values.items()},
        metrics_macro={name: float(values.mean()) for name, values in by_class.items()},
        chance={name: float(values[class_of_query].mean()) for name, values in chance.items()},
        chance_macro={name: float(values.mean()) for name, values in chance.items()},
        queries=int(counts.sum()),
        queries_without_positive=int((~counts).sum()),
        classes_without_positive=[class_names[c] for c in np.unique(measured.class_Q[~counts])],
        queries_with_ties=int(measured.tied_Q[counts].sum()),
        gallery=len(gallery_class_G),
        distractors=int((gallery_class_G < 0).sum()),
        map_by_class={class_names[c]: float(v) for c, v in zip(classes, by_class["map@all[plain]"], strict=True)},
        curve=Curve(
            ranks=curve_ranks(len(gallery_class_G)).tolist(),
            precision=measured.curve_QR[counts].mean(axis=0).tolist(),
            chance=float(measured.positives_Q[counts].mean() / len(gallery_class_G)),
        ),
    )


def harmonic_means(seen: dict[str, float], unseen: dict[str, float]) -> dict[str, float]:
    """Return the harmonic mean of each metric of seen and of unseen queries, the figure of the generalised setting.

    Both are to be measured against one gallery that holds seen and unseen classes together; it is high only where a
    model that knows the seen classes well has not bought that with the unseen ones.
    """
    return {
        name: 2 * seen[name] * unseen[name] / (seen[name] + unseen[name]) if seen[name] + unseen[name] else 0.0
        for name in seen
        if name in unseen
    }


def _class_means(value_Q: Floats, class_Q: npt.NDArray[np.intp], count: int) -> Floats:
    return np.asarray(np.bincount(class_Q, weights=value_Q, minlength=count) / np.bincount(class_Q, minlength=count))


def _chance(positives_C: Ints, gallery_size: int, config: MetricConfig) -> dict[str, Floats]:
    """Metrics of the ranking in which everything ties, a class at a time: the memory stays that of one gallery."""
    distinct, back = np.unique(positives_C, return_inverse=True)
    # Where every item ties, what interpolation adds takes more random orders to average than where a few do.
    draws = max(config.tie_draws, min(1000, CHANCE_ITEMS // (gallery_size * len(distinct))))
    config = config.model_copy(update={"tie_draws": draws})
    values = [
        metric_values(unordered([count], gallery_size, first_query=row), config) for row, count in enumerate(distinct)
    ]
    return {name: np.array([value[name][0] for value in values])[back] for name in values[0]}
