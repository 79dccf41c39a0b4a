"""Search against its definition: all live rows of all shards put together, ranked by sketchray.ranking, then cut."""

import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import (
    Hit,
    IndexPlan,
    Ranking,
    merge,
    shard_of,
)
from sketchray.gallery import finding as finding_module
from sketchray.gallery.filters import parse_filter
from tests.lib.gallery.search_model import DIMENSION, Model, Row, made_codebooks, unit, write

EXACT_KINDS = [IndexPlan(kind="flat"), IndexPlan(factory="SQ8"), IndexPlan(factory="IVF2,SQ8"), IndexPlan(kind="hnsw")]
FULL = 1000.0  # effort that looks into every list


@pytest.fixture(scope="module", autouse=True)
def _unsynced() -> Iterator[None]:
    """Hundreds of galleries are written here; none needs to survive a power failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


FILTERS: dict[str, Callable[[Row], bool]] = {
    "": lambda row: True,
    "price < 2": lambda row: row.price is not None and row.price < 2,
    "label is null or price = 3": lambda row: row.label is None or row.price == 3,
    "price > 9": lambda row: False,
}


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Rows of few different vectors, so that ties are everywhere; up to three updates."""
    vector_VD = unit(np.random.default_rng(draw(st.integers(0, 9))).normal(size=(10, DIMENSION)))
    ids = st.integers(0, 30).map(lambda number: f"id{number:02d}")
    row = st.builds(
        Row,
        vector_D=st.integers(0, 9).map(lambda kind: vector_VD[kind]),
        label=st.sampled_from(["cat", "dog", None]),
        price=st.one_of(st.none(), st.integers(0, 4)),
    )
    model = Model()
    model.step(draw(st.dictionaries(ids, row, max_size=30)), [])
    for _ in range(draw(st.integers(0, 3))):
        model.step(draw(st.dictionaries(ids, row, max_size=6)), draw(st.lists(ids, max_size=6, unique=True)))
    return model


@settings(max_examples=50, deadline=None)
@given(
    model=models(),
    shards=st.integers(1, 3),
    plan=st.sampled_from(EXACT_KINDS),
    fusion=st.sampled_from([0.0, 0.2, 1.0]),
    wanted=st.sampled_from(sorted(FILTERS)),
    page=st.tuples(st.integers(0, 12), st.integers(1, 12)),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    coded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_answer_is_that_of_the_ranking_over_everything(
    *,
    model: Model,
    shards: int,
    plan: IndexPlan,
    fusion: float,
    wanted: str,
    page: tuple[int, int],
    cut: float | None,
    coded: bool,
    seed: int,
) -> None:
    if plan.factory == "IVF2,SQ8" and min(_bases(model, shards)) < 2:
        plan = IndexPlan(kind="flat")  # faiss cannot train it
    codebooks = made_codebooks(seed) if coded else {}
    query_BD = unit(np.random.default_rng(seed).normal(size=(3, DIMENSION)))
    if model.rows:
        query_BD[0] = next(iter(model.rows.values())).vector_D
    offset, k = page
    with tempfile.TemporaryDirectory() as folder:
        gallery = write(folder, model, shards=shards, plan=plan, codebooks=codebooks)
        parts = [gallery.shard(shard) for shard in range(shards)]
        assert sum(part.rows for part in parts) == len(model.rows)
        rankings: list[Ranking] = ["nearest", *(("cluster", "mixture", "manifold") if codebooks else ())]
        for ranking in rankings:
            ranked = [
                [
                    pair
                    for pair in model.rank(query_D, ranking, fusion, codebooks)
                    if FILTERS[wanted](model.rows[pair[1]])
                ]
                for query_D in query_BD
            ]
            least = None  # between two scores, where rounding cannot tell
            if cut is not None and ranked[0]:
                scores = sorted({score for score, _ in ranked[0]})
                low = int(cut * (len(scores) - 1))
                least = (scores[low] + scores[max(0, low - 1)]) / 2 - (low == 0)
            answers = [
                part.search(
                    query_BD,
                    offset + k,
                    ranking=ranking,
                    fusion=None if ranking == "nearest" else fusion,
                    filter=parse_filter(wanted) if wanted else None,
                    min_score=least,
                    effort=FULL,
                )
                for part in parts
            ]
            for b, pairs in enumerate(ranked):
                if b and least is not None:
                    continue  # the cut is between scores of the first query
                want = [pair for pair in pairs if least is None or pair[0] >= least][offset:][:k]
                hits = merge([answer[b] for answer in answers], k, offset=offset)
                assert [hit.id for hit in hits] == [sample_id for _, sample_id in want]
                np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in want], atol=2e-7)
                for hit in hits:
                    row = model.rows[hit.id]
                    uri = f"s3://b/{hit.id}"
                    assert hit[:5] == (hit.id, hit.score, uri, row.label, {"price": row.price})
                    cosine = float(np.dot(row.vector_D.astype(np.float64), query_BD[b].astype(np.float64)))
                    assert hit.similarity == pytest.approx(cosine, abs=2e-7)


def _bases(model: Model, shards: int) -> list[int]:
    return [sum(shard_of(sample_id, shards) == shard for sample_id in model.steps[0][0]) for shard in range(shards)]


@settings(max_examples=20, deadline=None)
@given(model=models(), plan=st.sampled_from(EXACT_KINDS[:2]))
def test_rows_vectors_and_thumbnails_are_those_that_live(model: Model, plan: IndexPlan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        gallery = write(folder, model, shards=2, plan=plan, codebooks=made_codebooks(0))
        for index in range(2):
            shard, mine = gallery.shard(index), sorted(i for i in model.rows if shard_of(i, 2) == index)
            live = gallery.live(index)
            assert live.schema == gallery.schema
            assert live["id"].to_pylist() == gallery.thumbnails(index)["id"].to_pylist() == mine
            assert live["price"].to_pylist() == [model.rows[sample_id].price for sample_id in mine]
            some = gallery.live(index, columns=["price", "id"])
            assert some.equals(live.select(["price", "id"]))
            for sample_id in (f"id{number:02d}" for number in range(31)):
                vector_D, jpeg = shard.vector(sample_id), shard.thumbnail(sample_id)
                if sample_id not in mine:
                    assert (vector_D, jpeg) == (None, None)
                    continue
                row = model.rows[sample_id]
                assert jpeg == f"jpeg {sample_id} {row.price}".encode()
                assert vector_D is not None
                assert vector_D.tolist() == row.vector_D.tolist()


@pytest.fixture(scope="module")
def large() -> Model:
    """3,000 rows about 60 topics, and then 40 changed, 40 new and 100 gone."""
    rng = np.random.default_rng(0)
    topic_TD = rng.normal(size=(60, DIMENSION))

    def rows(first: int, count: int) -> dict[str, Row]:
        x_ND = unit(topic_TD[rng.integers(60, size=count)] + 0.4 * rng.normal(size=(count, DIMENSION)))
        return {f"{first + i:05d}": Row(x_D, None, (first + i) % 50) for i, x_D in enumerate(x_ND)}

    model = Model()
    model.step(rows(0, 3000), [])
    model.step(rows(2960, 80), [f"{i:05d}" for i in range(100)])
    return model


@pytest.mark.parametrize(
    ("plan", "effort", "least"),
    [
        (IndexPlan(factory="IVF16,Flat"), FULL, 1.0),
        (IndexPlan(factory="IVF16,SQ8"), 1.0, 0.95),
        (IndexPlan(kind="hnsw"), 1.0, 0.95),
        (IndexPlan(kind="flat-int8"), 1.0, 0.99),
        (IndexPlan(factory="PCA6,IVF16,PQ6x4fs"), FULL, 0.6),
    ],
    ids=["all lists", "ivf", "hnsw", "int8", "coarse"],
)
@pytest.mark.parametrize("gathered", [20, 10_000], ids=["asking again", "one by one"])
def test_an_index_finds_nearly_what_exact_search_finds(
    *,
    large: Model,
    plan: IndexPlan,
    effort: float,
    least: float,
    gathered: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setattr(finding_module, "GATHERED", gathered)
    monkeypatch.setattr(finding_module, "SEED", 32)
    codebooks = made_codebooks(0)
    query_BD = unit(np.random.default_rng(1).normal(size=(20, DIMENSION)))
    exact, approximate = (
        write(str(tmp_path_factory.mktemp("g")), large, shards=1, plan=each, codebooks=codebooks).shard(0)
        for each in (IndexPlan(kind="flat"), plan)
    )
    assert exact.rows == approximate.rows == len(large.rows)
    for wanted in (None, "price < 25", "price = 7"):
        for ranking, fusion in (
            ("nearest", None),
            ("cluster", 0.2),
            ("mixture", 0.7),
            ("cluster", 0.0),
            ("manifold", 0.02),
        ):
            options = {"ranking": ranking, "fusion": fusion, "filter": parse_filter(wanted) if wanted else None}
            truth, found = (
                shard.search(query_BD, 10, effort=effort, **options)  # type: ignore[arg-type]
                for shard in (exact, approximate)
            )
            same = [
                len({hit.id for hit in a} & {hit.id for hit in b}) / len(a) for a, b in zip(truth, found, strict=True)
            ]
            assert np.mean(same) >= (1.0 if wanted == "price = 7" else least), (wanted, ranking, fusion)
            for hits in found:
                assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))
                assert len(hits) == 10


def test_merge_passes_over_the_offset() -> None:
    a, b, c = (Hit(name, score, "u", None, {}, score) for name, score in (("a", 0.5), ("b", 0.5), ("c", 0.9)))
    assert merge([[b], [c, a]], 2) == [c, a]
    assert merge([[b], [c, a]], 2, offset=1) == [a, b]
    assert merge([[b], [c, a]], 2, offset=3) == merge([], 3) == []
    for k, offset in ((-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="negative"):
            merge([], k, offset=offset)
