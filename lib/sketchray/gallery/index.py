"""The faiss index of a segment: which kind, the same bytes for the same rows, read with faiss's limits set.

An index finds candidates by inner product of unit vectors; its row numbers are those of the vectors object. How hard it
looks (``nprobe``, ``efSearch``) is measured when it is built, stored in it, and can be changed for one search.
"""

import math
import re
import threading
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from sketchray.gallery.effort import tune
from sketchray.gallery.manifest import GalleryError
from sketchray.gallery.plan import IndexPlan

LISTS_A_ROOT = 4  # lists of an inverted file, for each unit of the square root of the rows
TRAINED_ROWS = 39, 64  # rows that k-means sees for each list: at least (faiss warns below it), at most
LINKS = 32  # of a node in a graph
_SWIG: Any = faiss  # its type stubs do not know the keyword arguments of search parameters
_LIMITS = threading.Lock()  # faiss's limits are the process's


def plan_index(plan: IndexPlan, rows: int, dimension: int) -> str | None:
    """Return the factory string of a segment's index, or None where its vectors are searched as they are.

    Raises:
        GalleryError: faiss does not know the plan's factory string, or not for this dimension.
    """
    if plan.factory is not None:
        _create(plan.factory, dimension)
        return plan.factory if rows else None
    kind = plan.kind
    if kind == "auto":
        kind = "flat" if rows <= plan.exact_rows else "ivf-int8"
    if kind == "flat" or not rows:
        return None
    if kind == "ivf-int8":
        return f"IVF{lists(rows)},SQ8"
    return {"flat-fp16": "SQfp16", "flat-int8": "SQ8", "hnsw": f"HNSW{LINKS},SQ8"}[kind]


def lists(rows: int) -> int:
    """Return the number of lists of an inverted file: 4 sqrt(rows), as far as each has rows to be trained on."""
    return max(1, min(round(LISTS_A_ROOT * math.sqrt(rows)), rows // TRAINED_ROWS[0]))


def build_index(embedding_ND: np.ndarray, factory: str, *, seed: int = 0) -> bytes:
    """Return the serialised index of some rows: a function of the rows, the factory and the seed.

    Everything runs in one thread, since the order of additions shows in the bytes; segments are built side by side.

    Args:
        embedding_ND: unit rows, float32.
        factory: from `plan_index`.
        seed: of the training and the tuning.

    Raises:
        GalleryError: faiss cannot build it, as from too few rows.
    """
    x_ND = np.ascontiguousarray(embedding_ND, dtype=np.float32)
    index = _create(factory, x_ND.shape[1])
    inner = _inner(index)
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.seed, inner.cp.max_points_per_centroid = seed, TRAINED_ROWS[1]
    try:
        with threadpool_limits(1):
            index.train(x_ND)
            index.add(x_ND)
            tune(index, inner, x_ND, seed=seed)
    except RuntimeError as error:
        raise GalleryError(f"index {factory!r} of {len(x_ND)} rows: {_said(error)}") from error
    return bytes(faiss.serialize_index(index))


def load_index(data: bytes, *, rows: int, dimension: int, where: str) -> faiss.Index:
    """Read what `build_index` gave. The caller has checked the hash.

    No vector that faiss allocates, and no loop, may be longer than the data: a wrong length in a header is refused
    before memory is taken for it.

    Raises:
        GalleryError: no faiss index, or not of that many rows and dimensions by inner product; it names ``where``.
    """
    with _LIMITS:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        faiss.set_deserialization_vector_byte_limit(len(data))
        faiss.set_deserialization_loop_limit(max(1, len(data)))
        try:
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except RuntimeError as error:
            raise GalleryError(f"{where}: not readable as a faiss index ({_said(error)})") from error
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])
    found = index.ntotal, index.d, index.metric_type
    if found != (rows, dimension, faiss.METRIC_INNER_PRODUCT):
        raise GalleryError(
            f"{where}: an index of {index.ntotal} vectors in {index.d} dimensions (metric {index.metric_type}), "
            f"not of {rows} in {dimension} by inner product"
        )
    return index


def search_parameters(index: faiss.Index, *, effort: float = 1.0, selector: Any = None) -> Any:
    """Return the parameters of one search: how hard it looks, and among which rows.

    Args:
        index: from `load_index`.
        effort: times what is stored in the index: lists looked into, nodes kept in sight. Exact kinds ignore it.
        selector: a ``faiss.IDSelector`` of the row numbers that may be found; None for all.
    """
    if isinstance(index, faiss.IndexPreTransform):
        inside = search_parameters(faiss.downcast_index(index.index), effort=effort, selector=selector)
        return _SWIG.SearchParametersPreTransform(index_params=inside)
    if isinstance(index, faiss.IndexRefine):
        inside = search_parameters(faiss.downcast_index(index.base_index), effort=effort, selector=selector)
        return _SWIG.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inside)
    if isinstance(index, faiss.IndexIVF):
        nprobe = min(index.nlist, max(1, round(effort * index.nprobe)))
        return _SWIG.SearchParametersIVF(nprobe=nprobe, max_codes=index.max_codes, sel=selector)
    if isinstance(index, faiss.IndexHNSW):
        return _SWIG.SearchParametersHNSW(efSearch=max(1, round(effort * index.hnsw.efSearch)), sel=selector)
    return _SWIG.SearchParameters(sel=selector)


def _create(factory: str, dimension: int) -> faiss.Index:
    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise GalleryError(f"index.factory: {factory!r} in {dimension} dimensions: {_said(error)}") from error


def _inner(index: faiss.Index) -> faiss.Index:
    """Return the index that searches, inside transformations and refinements."""
    while isinstance(index, faiss.IndexPreTransform | faiss.IndexRefine):
        index = faiss.downcast_index(index.index if isinstance(index, faiss.IndexPreTransform) else index.base_index)
    return index


def _said(error: RuntimeError) -> str:
    """Return faiss's own words without the place in its source."""
    return re.sub(r"^.* at /\S+:\d+: (Error: )?", "", str(error), flags=re.DOTALL)
