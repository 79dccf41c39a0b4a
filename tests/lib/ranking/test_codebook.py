"""The codebook: distances and codes as loops, bytes that come back exactly or not at all."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sketchray.ranking import Codebook, CodebookError, create_ranker
from sketchray.ranking.codebook import Fitted, Walk, WalkPlan


def random_codebook(chunks: int = 3, codewords: int = 6, width: int = 4) -> Codebook:
    centres = np.random.default_rng(1).normal(size=(chunks, codewords, width))
    return Codebook(centres_MKC=(centres / 3).astype(np.float32), fitted=Fitted(kind="kmeans", seed=0, rows=50))


def walked_codebook(go_on: float = 0.5) -> Codebook:
    ends = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    fitted = Fitted(kind="kmeans", seed=0, rows=9)
    return Codebook(
        centres_MKC=np.eye(2, dtype=np.float32)[None],
        fitted=fitted,
        walk=Walk(ends_KK=ends, plan=WalkPlan(go_on=go_on)),
    )


def test_distances_and_codes_are_those_of_loops(blobs: Any, slow_distances: Any) -> None:
    codebook, x_ND = random_codebook(), blobs(dim=12)
    distances_NMK = np.array([slow_distances(x_D, codebook.centres_MKC) for x_D in x_ND])
    np.testing.assert_allclose(codebook.distances(x_ND), distances_NMK, rtol=0, atol=2.0**-32)
    codes_NM = codebook.encode(x_ND)
    assert codes_NM.dtype == np.uint16
    assert codes_NM.tolist() == [[row.index(min(row)) for row in rows] for rows in distances_NMK.tolist()]


def test_of_equally_near_codewords_the_first_is_taken() -> None:
    centres = np.repeat(np.eye(2, dtype=np.float32)[:, None], 2, axis=1).reshape(1, 4, 2)
    codebook = Codebook(centres_MKC=centres, fitted=Fitted(kind="kmeans", seed=0, rows=4))
    assert codebook.encode(np.array([[2.0, 0.1], [0.1, 3.0], [1.0, 1.0]])).tolist() == [[0], [2], [0]]


def test_length_order_type_and_blocks_of_rows_do_not_change_the_codes(
    blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    codebook, x_ND = random_codebook(), blobs(rows=50, dim=12)
    codes_NM, order = codebook.encode(x_ND), np.random.default_rng(0).permutation(len(x_ND))
    np.testing.assert_array_equal(codebook.encode(x_ND[order]), codes_NM[order])
    np.testing.assert_array_equal(codebook.encode(3 * x_ND), codes_NM)
    np.testing.assert_array_equal(codebook.encode(x_ND.astype(np.float32)), codes_NM)
    monkeypatch.setattr("sketchray.ranking.codebook.ENCODE_NUMBERS", 7 * 18)
    np.testing.assert_array_equal(codebook.encode(x_ND), codes_NM)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cluster", {"chunks": 2, "codewords": "auto", "criterion": "bic"}),
        ("mixture", {"chunks": 2, "codewords": "auto", "criterion": "bic"}),
        ("manifold", {}),
    ],
)
def test_bytes_and_pickles_come_back_exactly(name: str, options: dict[str, Any], blobs: Any) -> None:
    codebook = create_ranker(name, **options).fit(blobs())
    assert codebook is not None
    assert (codebook.fitted.selection is None) == (codebook.walk is not None) == (name == "manifold")
    for again in (Codebook.from_bytes(codebook.to_bytes()), pickle.loads(pickle.dumps(codebook))):
        assert again.fingerprint == codebook.fingerprint
        assert again.fitted == codebook.fitted
        np.testing.assert_array_equal(again.centres_MKC, codebook.centres_MKC)
        np.testing.assert_array_equal(again.distances(blobs()), codebook.distances(blobs()))
        assert (again.walk and again.walk.plan) == (codebook.walk and codebook.walk.plan)
    assert b"pickle" not in codebook.to_bytes()


@pytest.mark.parametrize("make", [lambda: random_codebook(1, 2, 2), walked_codebook], ids=["plain", "walked"])
def test_no_bit_can_flip_and_no_byte_can_go_missing(make: Callable[[], Codebook]) -> None:
    data = make().to_bytes()
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodebookError, match=r"codebook"):
            Codebook.from_bytes(bytes(damaged))
    for size in range(len(data)):
        with pytest.raises(CodebookError, match=r"codebook"):
            Codebook.from_bytes(data[:size])


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sketchray.ranking.codebook.FORMAT_VERSION", 3)
    data = walked_codebook().to_bytes()
    monkeypatch.undo()
    with pytest.raises(CodebookError, match="format version 3, this is 2"):
        Codebook.from_bytes(data)


def test_a_codebook_without_a_walk_is_of_the_first_version_as_ever() -> None:
    assert b'"version\\": 1' in random_codebook().to_bytes()
    assert random_codebook().fingerprint == "c671758184fb821f9a3d780c2f3c0e81"
    assert b'"version\\": 2' in walked_codebook().to_bytes()


def test_fingerprints_tell_codebooks_apart() -> None:
    one = random_codebook()
    moved = one.centres_MKC.copy()
    moved[0, 0, 0] = np.nextafter(moved[0, 0, 0], np.float32(2))
    others = [
        Codebook(centres_MKC=moved, fitted=one.fitted),
        Codebook(centres_MKC=one.centres_MKC, fitted=Fitted(kind="gmm", seed=0, rows=50)),
        Codebook(centres_MKC=one.centres_MKC.reshape(3, 4, 6), fitted=one.fitted),
    ]
    assert len({codebook.fingerprint for codebook in [one, *others]}) == 4
    walked, moved_walk = walked_codebook(), np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    assert walked.walk is not None
    relatives = [
        walked,
        walked_codebook(go_on=0.25),
        replace(walked, walk=Walk(ends_KK=moved_walk, plan=walked.walk.plan)),
        replace(walked, walk=None),
    ]
    assert len({codebook.fingerprint for codebook in relatives}) == 4


def test_vectors_it_cannot_code_are_named(blobs: Any) -> None:
    codebook, x_ND = random_codebook(), blobs(dim=12)
    with pytest.raises(ValueError, match="gallery embeddings have 8 dimensions, the codebook has 12"):
        codebook.encode(blobs(dim=8))
    x_ND[70] = 0
    with pytest.raises(ValueError, match="gallery embedding 70 is zero"):
        codebook.encode(x_ND)
    with pytest.raises(ValueError, match="float64"):
        Codebook(centres_MKC=np.zeros((1, 2, 3)), fitted=codebook.fitted)  # type: ignore[arg-type]
