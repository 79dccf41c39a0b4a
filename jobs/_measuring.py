"""Measure a retrieval on the cluster: a task a block of queries, each against the whole gallery.

A query's values depend on that query alone, so any division gives the numbers of one process. What a task holds is the
gallery (shared by the tasks of a machine), its own queries and one block of scores.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from jobs._evaluate_config import EmbedResources
from sketchray.evaluation import Evaluation, MetricConfig, PerQuery, class_numbers, measure, summarise
from sketchray.ranking import CosineScorer

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def evaluate_on_cluster(
    queries_QD: Floats,
    query_classes: Sequence[str | None],
    gallery_GD: Floats,
    gallery_classes: Sequence[str | None],
    *,
    config: MetricConfig,
    resources: EmbedResources,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Do what ``sketchray.evaluation.evaluate`` does, with the identical result, over Ray.

    Raises:
        ValueError: as ``evaluate``.
    """
    names, query_class_Q, gallery_class_G = class_numbers(query_classes, gallery_classes)
    if not len(query_class_Q):
        raise ValueError("there are no queries to evaluate")
    gallery = (ray.put(gallery_GD), ray.put(gallery_class_G))
    remote: Any = ray.remote  # its types know no keyword arguments
    task = remote(_measure_part).options(num_cpus=resources.measure_cpus)
    pending: dict[Any, int] = {}
    parts: dict[int, PerQuery] = {}
    for first in range(0, len(query_class_Q), resources.measure_rows):
        rows = slice(first, first + resources.measure_rows)
        reference = task.remote(
            queries_QD[rows], query_class_Q[rows], *gallery, config=config, first=first, mib=resources.measure_mib
        )
        pending[reference] = first
    while pending:
        (done,), _ = ray.wait(list(pending), num_returns=1)
        first = pending.pop(done)
        try:
            parts[first] = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            # A user's mistake (a zero row, say) is to look as it does without Ray.
            raise error.cause if isinstance(error.cause, ValueError) else error from None
        if progress is not None:
            progress(len(parts[first].class_Q))
    return summarise(PerQuery.join(parts[first] for first in sorted(parts)), names, gallery_class_G, config=config)


def _measure_part(
    queries_BD: Floats,
    query_class_B: Ints,
    gallery_GD: Floats,
    gallery_class_G: Ints,
    *,
    config: MetricConfig,
    first: int,
    mib: int,
) -> PerQuery:
    return measure(
        CosineScorer(queries_BD, gallery_GD),
        query_class_B,
        gallery_class_G,
        config=config,
        first_query=first,
        memory=mib * 2**20,
    )
