"""Indexes: chosen by rule, the same bytes for the same rows, found candidates beside exact search, damage refused."""

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import GalleryError, IndexPlan
from sketchray.gallery.effort import far_queries
from sketchray.gallery.index import build_index, lists, load_index, plan_index, search_parameters

KINDS = ["SQ8", "SQfp16", "IVF16,SQ8", "HNSW32,SQ8"]
ROWS, DIMENSION, TOPICS = 2000, 32, 40


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), np.float32)


def made(count: int, *, seed: int, noise: float, shift: float) -> np.ndarray:
    """Return unit rows around common topics; sketches are noisier, and all moved in a direction of their own."""
    topic_TD = np.random.default_rng(7).normal(size=(TOPICS, DIMENSION))
    rng = np.random.default_rng(seed)
    own_D = np.random.default_rng(8).normal(size=DIMENSION)
    return unit(
        topic_TD[rng.integers(TOPICS, size=count)] + noise * rng.normal(size=(count, DIMENSION)) + shift * own_D
    )


@pytest.fixture(scope="module")
def rows_ND() -> np.ndarray:
    return made(ROWS, seed=0, noise=0.8, shift=0)


@pytest.mark.parametrize(
    ("plan", "rows", "factory"),
    [
        ({}, 200_000, None),
        ({}, 200_001, "IVF1789,SQ8"),
        ({"exact_rows": 10}, 11, "IVF1,SQ8"),
        ({"kind": "flat"}, 10**7, None),
        ({"kind": "flat-fp16"}, 5, "SQfp16"),
        ({"kind": "flat-int8"}, 5, "SQ8"),
        ({"kind": "hnsw"}, 5, "HNSW32,SQ8"),
        ({"kind": "ivf-int8"}, 1_000_000, "IVF4000,SQ8"),
        ({"kind": "flat", "factory": "IVF8,Flat"}, 5, "IVF8,Flat"),
        ({"factory": "IVF8,Flat"}, 0, None),
        ({"kind": "hnsw"}, 0, None),
    ],
)
def test_the_kind_goes_by_the_rows(plan: dict[str, object], rows: int, factory: str | None) -> None:
    assert plan_index(IndexPlan.model_validate(plan), rows, DIMENSION) == factory


@given(st.integers(1, 10**9))
def test_every_list_has_rows_to_be_trained_on(rows: int) -> None:
    count = lists(rows)
    assert count == 1 or rows / count >= 39
    assert count <= 4 * rows**0.5 + 1
    assert lists(rows + 1) >= count


@pytest.mark.parametrize("factory", ["nope", "", "IVF8,Flat,Foo", "PQ7"])
def test_a_bad_factory_string_is_refused_in_faiss_own_words(factory: str) -> None:
    with pytest.raises(GalleryError, match=f"index.factory: '{factory}' in 32 dimensions: (could not|')") as raised:
        plan_index(IndexPlan(factory=factory), 10, DIMENSION)
    assert "/project/" not in str(raised.value)


def test_an_index_that_cannot_be_built_says_of_how_many_rows(rows_ND: np.ndarray) -> None:
    with pytest.raises(GalleryError, match=r"index 'IVF64,SQ8' of 10 rows: .*points"):
        build_index(rows_ND[:10], "IVF64,SQ8")
    with pytest.raises(GalleryError, match="index 'IDMap,Flat' of 10 rows: add does not make sense"):
        build_index(rows_ND[:10], "IDMap,Flat")


@pytest.mark.parametrize("factory", KINDS)
def test_candidates_of_sketch_like_queries_hold_the_best(rows_ND: np.ndarray, factory: str) -> None:
    index = load_index(build_index(rows_ND, factory), rows=ROWS, dimension=DIMENSION, where="i")
    query_QD = made(200, seed=1, noise=1.6, shift=1.0)
    exact_QN = np.argsort(-(query_QD @ rows_ND.T), axis=1)[:, :10]
    _, found_QK = index.search(query_QD, 30, params=search_parameters(index))
    recall = np.mean([len(set(exact) & set(found)) / 10 for exact, found in zip(exact_QN, found_QK, strict=True)])
    assert recall >= 0.95
    if isinstance(index, faiss.IndexIVF):
        assert 1 < index.nprobe < index.nlist


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "HNSW32,SQ8", "PCA30,IVF16,SQ8", "IVF16,SQ8,RFlat"])
def test_more_effort_finds_more_and_a_selector_limits_the_rows(rows_ND: np.ndarray, factory: str) -> None:
    index = load_index(build_index(rows_ND, factory), rows=ROWS, dimension=DIMENSION, where="i")
    query_QD = made(200, seed=1, noise=1.6, shift=1.0)
    exact_QN = np.argsort(-(query_QD @ rows_ND.T), axis=1)[:, :10]

    def recall(effort: float) -> float:
        _, found_QK = index.search(query_QD, 30, params=search_parameters(index, effort=effort))
        return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact_QN, found_QK, strict=True)]))

    assert recall(0.1) < recall(1) <= recall(10)
    even = faiss.IDSelectorBatch(np.arange(0, ROWS, 2))
    _, found_QK = index.search(query_QD, 30, params=search_parameters(index, effort=10, selector=even))
    assert (found_QK % 2 == 0).all()


@pytest.mark.parametrize("factory", KINDS)
def test_the_same_rows_give_the_same_bytes_whatever_the_threads(rows_ND: np.ndarray, factory: str) -> None:
    before = faiss.omp_get_max_threads()
    try:
        built = []
        for threads in (1, 2, 4):
            faiss.omp_set_num_threads(threads)
            built.append(build_index(rows_ND, factory, seed=1))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert built[0] == built[1] == built[2]


def test_the_seed_counts(rows_ND: np.ndarray) -> None:
    assert build_index(rows_ND, "IVF16,SQ8", seed=2) != build_index(rows_ND, "IVF16,SQ8", seed=1)


@pytest.mark.parametrize("factory", KINDS)
@pytest.mark.parametrize("rows", [1, 2])
def test_the_smallest_segments_have_an_index(factory: str, rows: int) -> None:
    x_ND = np.tile(unit(np.ones((1, 8))), (rows, 1))
    factory = factory.replace("IVF16", "IVF1")
    index = load_index(build_index(x_ND, factory), rows=rows, dimension=8, where="i")
    _, found_QK = index.search(x_ND, 3, params=search_parameters(index))
    assert set(found_QK[0]) - {-1} == set(range(rows))


def test_far_queries_are_unit_vectors_unlike_the_rows(rows_ND: np.ndarray) -> None:
    query_QD = far_queries(rows_ND, 100, seed=0)
    np.testing.assert_allclose(np.linalg.norm(query_QD, axis=1), 1, rtol=1e-6)
    assert (query_QD @ rows_ND.T).max(axis=1).mean() < 0.9
    slow_ND = rows_ND.astype(float) - rows_ND.astype(float).mean(axis=0)
    row_QM = np.random.default_rng(0).integers(ROWS, size=(100, 4))
    sums = [sum(slow_ND[row] for row in rows) for rows in row_QM]
    np.testing.assert_allclose(query_QD, unit(np.stack(sums)), atol=1e-5)


@settings(deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_give_an_index_of_the_same_size(data: st.DataObject) -> None:
    whole = WHOLE
    end = data.draw(st.integers(0, len(whole) - 1), label="end")
    with pytest.raises(GalleryError, match="shard-0: not readable as a faiss index"):
        load_index(whole[:end], rows=100, dimension=8, where="shard-0")


WHOLE = build_index(unit(np.random.default_rng(0).normal(size=(100, 8))), "IVF2,SQ8")


def test_a_wrong_length_takes_no_memory() -> None:
    codes = (100 * 8).to_bytes(8, "little")
    whole = build_index(unit(np.random.default_rng(0).normal(size=(100, 8))), "SQ8")
    assert whole.count(codes) == 1
    for wrong in (2**20, 2**38, 2**63):
        with pytest.raises(GalleryError, match=r"i: not readable .*limit"):
            load_index(whole.replace(codes, wrong.to_bytes(8, "little")), rows=100, dimension=8, where="i")


def test_limits_are_as_they_were() -> None:
    before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    load_index(WHOLE, rows=100, dimension=8, where="i")
    with pytest.raises(GalleryError):
        load_index(b"", rows=100, dimension=8, where="i")
    assert (faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()) == before


def test_an_index_of_other_rows_is_refused() -> None:
    for rows, dimension in ((99, 8), (100, 9)):
        with pytest.raises(GalleryError, match=f"i: an index of 100 vectors in 8 dimensions .* not of {rows} in"):
            load_index(WHOLE, rows=rows, dimension=dimension, where="i")
    euclidean = faiss.serialize_index(faiss.index_factory(8, "Flat")).tobytes()
    with pytest.raises(GalleryError, match=r"\(metric 1\), not of 0 in 8 by inner product"):
        load_index(euclidean, rows=0, dimension=8, where="i")
