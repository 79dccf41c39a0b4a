"""How hard an approximate index has to look: measured while it is built, with queries unlike its rows.

Sketches are not distributed like the photographs that they look for, and need several times the effort that rows
themselves would. What stands in for them is made of the rows: the sum of four rows less what all rows share. It lies
between neighbourhoods and far from each, and is as hard to answer as real sketches are: frozen EfficientNet-Lite0,
1,200 photographs of tiny-51 in 30 lists, of which the index looked into 12, found 0.96 of the ten best rows for 232
sketches, 0.97 for photographs themselves, 0.98 for such sums.

Shape legend: N rows, Q queries, M rows in a query, D dimensions, K answers.
"""

from collections.abc import Callable

import faiss
import numpy as np

QUERIES = 256
WANTED = 10  # best rows that shall be found
CANDIDATES = 30  # rows that the index is asked for: a shard scores them again by the vectors themselves
MIXED = 4  # rows in a query
RECALL = 0.98  # aimed at, so that 0.95 is kept for queries that are harder than these
STEP = 1.5
LEAST_GAIN = 0.001  # of recall, for a step: an index that loses more by its codes than by its lists ends here


def tune(index: faiss.Index, inner: faiss.Index, x_ND: np.ndarray, *, seed: int) -> None:
    """Set the lists (``nprobe``) or nodes (``efSearch``) that a trained and filled index looks at.

    Args:
        index: what is searched.
        inner: the inverted file or graph in it; of any other kind nothing is set.
        x_ND: the rows in it, float32.
        seed: of the queries.
    """
    if isinstance(inner, faiss.IndexIVF):

        def look(effort: int) -> None:
            inner.nprobe = effort

        least, most = 1, inner.nlist
    elif isinstance(inner, faiss.IndexHNSW):

        def look(effort: int) -> None:
            inner.hnsw.efSearch = effort

        least, most = CANDIDATES, max(CANDIDATES, len(x_ND))
    else:
        return
    query_QD = far_queries(x_ND, QUERIES, seed=seed)
    _, best_QK = faiss.knn(query_QD, x_ND, min(WANTED, len(x_ND)), metric=faiss.METRIC_INNER_PRODUCT)

    def recall(effort: int) -> float:
        look(effort)
        _, found_QK = index.search(query_QD, CANDIDATES)
        return sum(len(set(best) & set(found)) for best, found in zip(best_QK, found_QK, strict=True)) / best_QK.size

    look(_least_effort(recall, least, most))


def far_queries(x_ND: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Return query_QD float32, unit vectors: sums of four random rows, each less the mean row."""
    row_QM = np.random.default_rng(seed).integers(len(x_ND), size=(count, MIXED))
    query_QD = x_ND[row_QM].sum(axis=1) - MIXED * x_ND.mean(axis=0)
    length_Q1 = np.linalg.norm(query_QD, axis=1, keepdims=True)
    lone_Q1 = length_Q1 < 1e-6  # every row is the same: any query is as good
    return np.ascontiguousarray(
        np.where(lone_Q1, x_ND[row_QM[:, 0]], query_QD / np.where(lone_Q1, 1, length_Q1)), np.float32
    )


def _least_effort(recall: Callable[[int], float], least: int, most: int) -> int:
    effort, found = least, recall(least)
    while found < RECALL and effort < most:
        harder = min(most, max(effort + 1, round(STEP * effort)))
        better = recall(harder)
        if better < found + LEAST_GAIN:
            break
        effort, found = harder, better
    return effort
