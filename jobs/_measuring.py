"""Measure a retrieval on the cluster: a task a block of queries, each against the whole gallery.

A query's values depend on that query alone, so any division gives the numbers of one process. What a task holds is the
gallery (shared by the tasks of a machine), its own queries and one block of scores. What is learnt from the gallery, a
codebook or a binary code, is fitted once, in a task of its own, and given to all others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from jobs._evaluate_config import EmbedResources
from sketchray.evaluation import Evaluation, MetricConfig, PerQuery, Ranking, class_numbers, measure, summarise
from sketchray.evaluation.binary import ITQ, fit_itq
from sketchray.ranking import Codebook

Vectors = npt.NDArray[np.number]
Ints = npt.NDArray[np.int64]

NEAREST = Ranking("nearest", {})


def fit_ranking(ranking: Ranking, gallery_GD: Any, *, resources: EmbedResources) -> Codebook | None:
    """Fit a ranking to a gallery, in a task.

    Args:
        ranking: which.
        gallery_GD: embeddings, or a reference to them in the object store.
        resources: what the task takes of the cluster.

    Raises:
        ValueError: the gallery cannot be given the codebook asked for.
    """
    if not ranking.ranker().transductive:
        return None
    codebook: Codebook | None = _result(_task(_fit_ranking, resources.fit_cpus).remote(ranking, gallery_GD))
    return codebook


def fit_binary(gallery_GD: Any, *, bits: int, resources: EmbedResources) -> ITQ:
    """Fit binary codes to a gallery, in a task; as `fit_ranking`."""
    itq: ITQ = _result(_task(fit_itq, resources.fit_cpus).remote(gallery_GD, bits=bits))
    return itq


def evaluate_on_cluster(
    queries_QD: Vectors,
    query_classes: Sequence[str | None],
    gallery_GD: Any,
    gallery_classes: Sequence[str | None],
    *,
    ranking: Ranking = NEAREST,
    codebook: Codebook | None = None,
    config: MetricConfig,
    resources: EmbedResources,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Do what ``sketchray.evaluation.evaluate`` does, with the identical result, over Ray.

    Args:
        queries_QD, query_classes, gallery_classes: as there.
        gallery_GD: embeddings, or a reference to them in the object store.
        ranking: how the gallery is ranked; codebook: what it was fitted to.
        config, progress: as there; resources: what the tasks take of the cluster.

    Raises:
        ValueError: as ``evaluate``.
    """
    names, query_class_Q, gallery_class_G = class_numbers(query_classes, gallery_classes)
    if not len(query_class_Q):
        raise ValueError("there are no queries to evaluate")
    shared = [ray.put(gallery_GD) if isinstance(gallery_GD, np.ndarray) else gallery_GD, ray.put(gallery_class_G)]
    task = _task(_measure_part, resources.measure_cpus)
    pending: dict[Any, int] = {}
    parts: dict[int, PerQuery] = {}
    for first in range(0, len(query_class_Q), resources.measure_rows):
        rows = slice(first, first + resources.measure_rows)
        reference = task.remote(
            queries_QD[rows],
            query_class_Q[rows],
            *shared,
            ranking=ranking,
            codebook=codebook,
            config=config,
            first=first,
            mib=resources.measure_mib,
        )
        pending[reference] = first
    while pending:
        (done,), _ = ray.wait(list(pending), num_returns=1)
        first = pending.pop(done)
        parts[first] = _result(done)
        if progress is not None:
            progress(len(parts[first].class_Q))
    return summarise(PerQuery.join(parts[first] for first in sorted(parts)), names, gallery_class_G, config=config)


def _measure_part(
    queries_BD: Vectors,
    query_class_B: Ints,
    gallery_GD: Vectors,
    gallery_class_G: Ints,
    *,
    ranking: Ranking,
    codebook: Codebook | None,
    config: MetricConfig,
    first: int,
    mib: int,
) -> PerQuery:
    return measure(
        ranking.ranker().scorer(queries_BD, gallery_GD, codebook),
        query_class_B,
        gallery_class_G,
        config=config,
        first_query=first,
        memory=mib * 2**20,
    )


def _fit_ranking(ranking: Ranking, gallery_GD: Vectors) -> Codebook | None:
    return ranking.ranker().fit(gallery_GD)


def _task(function: Callable[..., Any], cpus: float) -> Any:
    remote: Any = ray.remote  # its types know no keyword arguments
    return remote(function).options(num_cpus=cpus)


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # A user's mistake (a zero row, say) is to look as it does without Ray.
        raise error.cause if isinstance(error.cause, ValueError) else error from None
