"""Cosine scores: any tiling gives the same, equal pictures tie, what cannot be compared is named."""

import numpy as np
import numpy.typing as npt
import pytest

from sketchray.ranking import CosineScorer

Floats = npt.NDArray[np.float64]


def features(rows: int, seed: int, dim: int = 8) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, dim)) + 0.2


def test_gallery_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = features(5, 6), features(100, 7)
    whole = CosineScorer(queries, gallery)(slice(0, 5))
    monkeypatch.setattr("sketchray.ranking.scoring.TILE", 7)
    np.testing.assert_array_equal(CosineScorer(queries, gallery)(slice(0, 5)), whole)
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    np.testing.assert_allclose(whole, queries / np.linalg.norm(queries, axis=1, keepdims=True) @ unit.T, atol=1e-6)


def test_equal_pictures_tie_exactly() -> None:
    gallery = np.repeat(features(40, 8, 64), 3, axis=0)[np.random.default_rng(0).permutation(120)].astype(np.float32)
    scores = CosineScorer(features(7, 9, 64), gallery)(slice(0, 7))
    assert all(len(np.unique(row)) == 40 for row in scores)


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 5)), "query embeddings have 3 dimensions, those of the gallery 5"),
        (np.ones((2, 3)), np.diag([1, 0, 1]), "gallery embedding 1 is zero or not finite"),
        (np.array([[1.0], [np.nan]]), np.ones((2, 1)), "query embedding 1 is zero or not finite"),
        (np.ones(3), np.ones((2, 3)), "query embeddings must be a matrix of numbers"),
    ],
)
def test_what_cannot_be_compared_is_named(queries: Floats, gallery: Floats, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CosineScorer(queries, gallery)
