"""Evaluate a retrieval: score, rank and measure block by block, then average over queries and over classes.

The measuring (``measure``) is a pure function of each query alone, so any part of the queries can be measured anywhere
and joined (``PerQuery.join``) to the identical numbers; the averaging (``summarise``) happens once, at the end.

Shape legend: Q queries, B queries of a block, G gallery items, R ranks of the precision curve.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sketchray.evaluation.ranked import Bools, Floats, Ints, rank_block
from sketchray.evaluation.suite import MetricConfig, metric_values, precision_curve, tied_queries
from sketchray.evaluation.summary import Evaluation, summarise
from sketchray.ranking import Codebook, Ranker, Scorer, create_ranker

# Bytes that one score needs on its way through a block (score, sort key, tie groups), most where many scores tie.
BYTES_PER_SCORE = 80
UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class PerQuery:
    """What was measured for each query: its metrics, its class, its positives, and whether ties touch it."""

    values: dict[str, Floats]
    curve_QR: Floats
    class_Q: Ints
    positives_Q: Ints
    tied_Q: Bools

    @classmethod
    def join(cls, parts: Iterable["PerQuery"]) -> "PerQuery":
        """Put consecutive parts together again."""
        parts = list(parts)
        return cls(
            values={name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
            curve_QR=np.concatenate([part.curve_QR for part in parts]),
            class_Q=np.concatenate([part.class_Q for part in parts]),
            positives_Q=np.concatenate([part.positives_Q for part in parts]),
            tied_Q=np.concatenate([part.tied_Q for part in parts]),
        )


def measure(
    score: Scorer,
    query_class_Q: Ints,
    gallery_class_G: Ints,
    *,
    config: MetricConfig | None = None,
    first_query: int = 0,
    memory: int = 256 * 2**20,
    progress: Callable[[int], object] | None = None,
) -> PerQuery:
    """Measure every query against the whole gallery, a block of queries at a time.

    Args:
        score: gives the scores of a slice of the queries against the gallery, shape (B, G), higher is better.
        query_class_Q, gallery_class_G: class numbers; a gallery item of class -1 is relevant to nothing.
        first_query: number of the first of these queries among all (for parts of one evaluation).
        memory: bytes that a block may take, roughly; at least one query is taken.
        progress: told the number of queries of each finished block.
    """
    if len(query_class_Q) == 0:
        raise ValueError("there are no queries to evaluate")
    config = config or MetricConfig()
    block = max(1, memory // (BYTES_PER_SCORE * max(1, len(gallery_class_G))))
    parts = []
    for start in range(0, len(query_class_Q), block):
        rows = slice(start, min(start + block, len(query_class_Q)))
        relevant_BG = query_class_Q[rows, None] == gallery_class_G[None]
        ranked = rank_block(score(rows), relevant_BG, first_query=first_query + start)
        parts.append(
            PerQuery(
                values=metric_values(ranked, config),
                curve_QR=precision_curve(ranked),
                class_Q=query_class_Q[rows],
                positives_Q=ranked.positives_B,
                tied_Q=tied_queries(ranked),
            )
        )
        if progress is not None:
            progress(rows.stop - rows.start)
    return PerQuery.join(parts)


def class_numbers(
    query_classes: Sequence[str | None], gallery_classes: Sequence[str | None]
) -> tuple[list[str], Ints, Ints]:
    """Number the classes of the queries; a gallery item of another class, or of none, gets -1.

    Raises:
        ValueError: a query has no class.
    """
    without = [row for row, name in enumerate(query_classes) if name is None]
    if without:
        raise ValueError(f"query {without[0]} has no class ({len(without)} of {len(query_classes)} have none)")
    names = sorted({name for name in query_classes if name is not None})
    number = {name: index for index, name in enumerate(names)}
    return (
        names,
        np.array([number[name] for name in query_classes if name is not None], np.int64),
        np.array([UNLABELLED if name is None else number.get(name, UNLABELLED) for name in gallery_classes], np.int64),
    )


def evaluate(
    queries_QD: npt.ArrayLike,
    query_classes: Sequence[str | None],
    gallery_GD: npt.ArrayLike,
    gallery_classes: Sequence[str | None],
    *,
    ranker: Ranker | None = None,
    codebook: Codebook | None = None,
    config: MetricConfig | None = None,
    memory: int = 256 * 2**20,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Rank a gallery of embeddings for every query, by cosine or by any ranker, and measure the result.

    Args:
        queries_QD, gallery_GD: embeddings, of any length but zero.
        query_classes, gallery_classes: class names; None in the gallery is a distractor.
        ranker: from `sketchray.ranking.create_ranker`; None is plain cosine.
        codebook: what the ranker was fitted to; without one it is fitted to this gallery.
        config, memory, progress: see ``measure``.

    Raises:
        ValueError: lengths or dimensions differ, an embedding is zero or not finite, a query has no class.

    Example:
        >>> photos, sketches = [[1.0, 0.0], [0.0, 1.0]], [[0.9, 0.1]]
        >>> evaluate(sketches, ["cat"], photos, ["cat", "dog"]).metrics["map@all[plain]"]
        1.0
    """
    config = config or MetricConfig()
    for name, rows, classes in (("query", queries_QD, query_classes), ("gallery", gallery_GD, gallery_classes)):
        if len(np.asanyarray(rows)) != len(classes):
            raise ValueError(f"{len(np.asanyarray(rows))} {name} embeddings but {len(classes)} class names")
    names, query_class_Q, gallery_class_G = class_numbers(query_classes, gallery_classes)
    ranker = ranker or create_ranker("nearest")
    codebook = ranker.fit(gallery_GD) if codebook is None else codebook
    score = ranker.scorer(queries_QD, gallery_GD, codebook)
    measured = measure(score, query_class_Q, gallery_class_G, config=config, memory=memory, progress=progress)
    return summarise(measured, names, gallery_class_G, config=config)
