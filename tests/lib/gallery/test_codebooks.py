"""Codebooks: one sample whatever the parts, kept with the gallery, and a measure of how well they still fit."""

import hashlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketchray.gallery import Column, FitPlan, Gallery, GalleryError, IndexPlan, encode_segment
from sketchray.gallery.codebooks import (
    codes_matrix,
    drift,
    encode_codebooks,
    encode_rows,
    fit_codebooks,
    quantisation_error,
    read_codebook,
    take_sample,
)
from sketchray.gallery.manifest import Content
from sketchray.gallery.segment import codes_schema, embedding_matrix, read_table
from sketchray.ranking import Codebook, create_ranker, select_codewords
from sketchray.ranking.codebook import Fitted

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]
PLAN = FitPlan(codewords=4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=3), unique=True, max_size=30), st.integers(0, 35), st.integers(0, 30))
def test_the_sample_is_that_of_the_parts_samples(ids: list[str], count: int, cut: int) -> None:
    slow = sorted(ids, key=lambda name: hashlib.sha256(f"codebook sample {name}".encode()).digest())[:count]
    whole = take_sample(pa.table({"id": pa.array(ids, pa.string())}), count)
    assert whole["id"].to_pylist() == slow
    parts = [pa.table({"id": pa.array(part, pa.string())}) for part in (ids[cut:], ids[:cut])]
    assert take_sample(pa.concat_tables([take_sample(part, count) for part in parts]), count).equals(whole)


def made(rows: int = 60, dimension: int = 8, *, seed: int = 0) -> np.ndarray:
    x_ND = np.random.default_rng(seed).normal(size=(rows, dimension))
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), np.float32)


def test_codebooks_are_a_function_of_the_rows_in_any_order() -> None:
    x_ND = made()
    first, second = fit_codebooks(x_ND, PLAN), fit_codebooks(x_ND[::-1], PLAN)
    assert first.keys() == {"cluster", "mixture", "manifold"}
    assert {name: book.to_bytes() for name, book in first.items()} == {n: b.to_bytes() for n, b in second.items()}
    assert first["cluster"].centres_MKC.shape == (2, 4, 4)
    assert first["mixture"].fitted.kind == "gmm"
    assert (first["manifold"].chunks, first["manifold"].codewords) == (1, 4)
    assert first["manifold"].walk is not None
    assert fit_codebooks(x_ND, FitPlan(names=("cluster",), codewords=4)).keys() == {"cluster"}


def test_the_number_of_codewords_is_chosen_once_for_both() -> None:
    x_ND, plan = made(64), FitPlan(seed=3)
    books = fit_codebooks(x_ND, plan)
    selection = select_codewords(x_ND, criteria=("silhouette",), seed=3)
    assert books["manifold"].codewords == 32  # one for two rows, where there are few
    for name in ("cluster", "mixture"):
        book = books[name]
        assert book.fitted.selection == selection
        alone = create_ranker(name, codewords=selection.codewords, seed=3).fit(x_ND)
        assert alone is not None
        np.testing.assert_array_equal(book.centres_MKC, alone.centres_MKC)


@pytest.mark.parametrize(
    ("rows", "codewords", "books"), [(3, 4, 0), (4, 4, 3), (15, "auto", 0), (16, "auto", 3), (0, 1, 0)]
)
def test_too_few_rows_get_no_codebook(rows: int, codewords: object, books: int) -> None:
    assert len(fit_codebooks(made(rows), FitPlan.model_validate({"codewords": codewords}))) == books


def test_chunks_must_divide_the_dimensions() -> None:
    with pytest.raises(ValueError, match="8 dimensions do not divide into 3 equal chunks"):
        fit_codebooks(made(), FitPlan(chunks=3, codewords=2))


def slow_error(codebook: Codebook, x_ND: np.ndarray) -> float:
    total = 0.0
    for row in x_ND.astype(float):
        for chunk, centres_KC in zip(
            np.split(row / np.linalg.norm(row), codebook.chunks), codebook.centres_MKC, strict=True
        ):
            total += min(float(((chunk - centre) ** 2).sum()) for centre in centres_KC)
    return total / len(x_ND)


def test_the_error_is_the_mean_distance_to_the_codewords() -> None:
    codebook = fit_codebooks(made(), PLAN)["cluster"]
    assert quantisation_error(codebook, made(7, seed=1)) == pytest.approx(
        slow_error(codebook, made(7, seed=1)), abs=1e-6
    )
    assert quantisation_error(codebook, made(0)) == 0


def test_drift_is_one_as_fitted_and_more_for_what_was_never_seen() -> None:
    x_ND = made(200)
    x_ND[:, 4:] = np.abs(x_ND[:, 4:])
    codebook = fit_codebooks(x_ND, FitPlan(codewords=8))["cluster"]
    error = quantisation_error(codebook, x_ND)
    assert drift(codebook, x_ND, error) == pytest.approx(1, abs=1e-5)
    assert drift(codebook, -x_ND, error) == pytest.approx(slow_error(codebook, -x_ND) / error, rel=1e-3)
    assert drift(codebook, -x_ND, error) > 1.2
    assert drift(codebook, x_ND[:0], error) == 1


def test_a_codebook_that_fits_its_rows_exactly_has_a_drift_too() -> None:
    fitted = Fitted(kind="kmeans", seed=0, rows=1)
    codebook = Codebook(centres_MKC=np.array([[[1.0, 0.0]]], np.float32), fitted=fitted)
    same, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert drift(codebook, same, quantisation_error(codebook, same)) == 1
    assert drift(codebook, other, 0.0) == 2e6


@pytest.fixture
def coded(make_rows: Rows, publish_rows: Publisher) -> Gallery:
    return publish_rows(make_rows(40), codebooks=PLAN)


def test_every_segment_is_coded_by_the_gallerys_codebooks(coded: Gallery) -> None:
    content = coded.manifest.content
    assert [reference.name for reference in content.codebooks] == ["cluster", "manifold", "mixture"]
    for reference in content.codebooks:
        codebook = read_codebook(coded.store, reference, dimension=8)
        x_ND = np.concatenate([embedding_matrix(coded.live(shard)) for shard in range(2)])
        assert reference.error == pytest.approx(slow_error(codebook, x_ND), abs=1e-6)
        assert (reference.drift, reference.object.rows) == (1, 4)
        for segment in content.segments:
            assert segment.codes is not None
            schema = codes_schema({"cluster": 2, "manifold": 1, "mixture": 2})
            codes = read_table(coded.store, segment.codes, schema, sorted_by_id=False)
            rows_ND = embedding_matrix(coded.live(segment.shard))
            np.testing.assert_array_equal(codes_matrix(codes, reference.name), codebook.encode(rows_ND))


def test_codes_of_no_rows_are_a_table_all_the_same() -> None:
    codes = encode_rows(fit_codebooks(made(), PLAN), made(0))
    assert (codes.num_rows, codes.schema.names) == (0, ["cluster", "manifold", "mixture"])
    assert codes_matrix(codes, "mixture").shape == (0, 2)


def test_a_damaged_codebook_is_refused_by_name(coded: Gallery) -> None:
    reference = coded.manifest.content.codebooks[0]
    with pytest.raises(GalleryError, match=r"codebook\.cluster\.[0-9a-f]{12}\.safetensors: a codebook of 8 dimensions"):
        read_codebook(coded.store, reference, dimension=16)
    whole = coded.store.read(reference.object.key)
    coded.store.write(reference.object.key, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(GalleryError, match=r"codebook\.cluster\..*: its SHA-256"):
        read_codebook(coded.store, reference, dimension=8)


def test_bytes_that_are_no_codebook_are_refused_though_their_hash_is_right(coded: Gallery) -> None:
    reference = coded.manifest.content.codebooks[0]
    report = coded.manifest.content.report
    with pytest.raises(GalleryError, match=r"report\.parquet: no codebook"):
        read_codebook(coded.store, reference.model_copy(update={"object": report}), dimension=8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebooks": ()}, "codes are not those of the codebooks"),
        ({"columns": [Column(name="a", type="int64"), Column(name="a", type="bool")]}, "a column is named twice"),
    ],
)
def test_content_that_contradicts_itself_is_refused(coded: Gallery, change: dict[str, object], message: str) -> None:
    content = coded.manifest.content.model_dump()
    with pytest.raises(ValueError, match=message):
        Content.model_validate(content | change)
    twice = content["codebooks"] * 2
    with pytest.raises(ValueError, match="a codebook is named twice"):
        Content.model_validate(content | {"codebooks": twice})
    segment = content["segments"][0]
    for name in ("codes", "index"):
        wrong = segment | {name: segment["codes"] | {"rows": 99}}
        with pytest.raises(ValueError, match=f"unequal vectors and {name}"):
            Content.model_validate(content | {"segments": (wrong, *content["segments"][1:])})


def test_the_formats_own_columns_are_not_metadata() -> None:
    with pytest.raises(ValueError, match="'uri' is a column of the format itself"):
        Column(name="uri", type="string")


def test_objects_are_named_by_their_content(make_rows: Rows) -> None:
    rows, books = make_rows(20), fit_codebooks(made(), PLAN)
    references, objects = encode_codebooks(books, made())
    plan = IndexPlan(kind="flat-int8")
    segment, parts = encode_segment(rows, shard=3, plan=plan, codebooks=books)
    again, same = encode_segment(rows.take(list(reversed(range(20)))), shard=3, plan=plan, codebooks=books)
    assert (segment, parts) == (again, same)
    delta, more = encode_segment(
        rows.slice(2), shard=3, plan=plan, codebooks=books, kind="delta", tombstones=["b", "a"]
    )
    assert delta.index is None
    assert delta.tombstones is not None
    assert delta.tombstones.rows == 2
    assert not parts.keys() & more.keys()
    for key, data in (objects | parts | more).items():
        assert hashlib.sha256(data).hexdigest()[:12] in key.split(".")
    assert [reference.object.key for reference in references] == sorted(objects)
