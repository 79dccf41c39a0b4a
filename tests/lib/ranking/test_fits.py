"""k-means and the mixture against their definitions; what the fit of a ranker depends on, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from sketchray.ranking import create_ranker
from sketchray.ranking.kmeans import kmeans
from sketchray.ranking.mixture import gaussian_mixture, mixture_means


def test_kmeans_is_lloyd_from_random_points(blobs: Any) -> None:
    x_ND = blobs(clusters=4, rows=15)
    centres = x_ND[np.random.default_rng(3).choice(60, 4, replace=False)].tolist()
    for _ in range(20):
        members: list[list[list[float]]] = [[] for _ in centres]
        for x in x_ND.tolist():
            far = [sum((a - b) ** 2 for a, b in zip(x, centre, strict=True)) for centre in centres]
            members[far.index(min(far))].append(x)
        centres = [[sum(column) / len(rows) for column in zip(*rows, strict=True)] for rows in members]
    np.testing.assert_allclose(kmeans(x_ND, 4, seed=3), centres, rtol=0, atol=1e-12)


@pytest.mark.parametrize("start", ["points", "spread"])
def test_no_cluster_stays_empty_and_duplicates_do_no_harm(start: Any, blobs: Any) -> None:
    few = np.repeat(np.eye(3), 10, axis=0)
    for seed in range(5):
        found = kmeans(few, 5, seed=seed, start=start)
        assert np.isfinite(found).all()
        assert {tuple(row) for row in found.round(9).tolist()} == {tuple(row) for row in np.eye(3).tolist()}
    assert len(np.unique(kmeans(blobs(), 100, seed=0, start=start), axis=0)) == 100


def test_the_mixture_is_the_one_of_scikit_learn_and_its_means_are_averages(blobs: Any) -> None:
    x_ND = blobs(clusters=3, rows=30, dim=4, spread=1.0)
    fitted = gaussian_mixture(x_ND, 3, covariance="diag", seed=5)
    np.testing.assert_array_equal(
        fitted.means_, GaussianMixture(3, covariance_type="diag", random_state=5).fit(x_ND).means_
    )
    assert mixture_means(x_ND, 3, covariance="full", seed=5).shape == (3, 4)
    # The stationary point of EM: responsibilities from the densities, means as the averages that they weigh.
    weight_NK = np.zeros((90, 3))
    for row in range(90):
        for k in range(3):
            variance = fitted.covariances_[k]
            exponent = -0.5 * sum((x_ND[row, d] - fitted.means_[k, d]) ** 2 / variance[d] for d in range(4))
            weight_NK[row, k] = fitted.weights_[k] * np.exp(exponent) / np.sqrt(np.prod(2 * np.pi * variance))
        weight_NK[row] /= weight_NK[row].sum()
    np.testing.assert_allclose(fitted.means_, weight_NK.T @ x_ND / weight_NK.sum(axis=0)[:, None], atol=0.05)


@pytest.mark.parametrize("options", [{}, {"fit_rows": 60}])
@pytest.mark.parametrize("name", ["cluster", "mixture", "manifold"])
def test_a_fit_depends_on_the_rows_and_the_seed_but_not_on_their_order(
    name: str, options: dict[str, int], blobs: Any
) -> None:
    gallery_GD, order = blobs(), np.random.default_rng(0).permutation(100)
    ranker = create_ranker(name, codewords=5, **options)
    codebook, again = ranker.fit(gallery_GD), ranker.fit(gallery_GD[order])
    other = create_ranker(name, codewords=5, seed=1, **options).fit(gallery_GD)
    assert codebook is not None
    assert again is not None
    assert other is not None
    assert codebook.fingerprint == again.fingerprint != other.fingerprint
    assert codebook.fitted.rows == options.get("fit_rows", 100)
    np.testing.assert_array_equal(codebook.encode(gallery_GD)[order], codebook.encode(gallery_GD[order]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codewords": 101}, "100 rows cannot be given 101 codewords"),
        ({"codewords": 61, "fit_rows": 60}, "60 rows cannot be given 61 codewords"),
    ],
)
@pytest.mark.parametrize("name", ["cluster", "mixture", "manifold"])
def test_a_codebook_that_the_gallery_cannot_have_is_refused(
    name: str, options: dict[str, int], message: str, blobs: Any
) -> None:
    with pytest.raises(ValueError, match=message):
        create_ranker(name, **options).fit(blobs())
    with pytest.raises(ValueError, match="the gallery is empty"):
        create_ranker(name, codewords=1).fit(np.empty((0, 8)))


@pytest.mark.parametrize("name", ["cluster", "mixture"])
def test_chunks_that_do_not_divide_the_dimensions_are_refused(name: str, blobs: Any) -> None:
    with pytest.raises(ValueError, match=r"ranking\.chunks: 8 dimensions do not divide into 3 equal chunks"):
        create_ranker(name, codewords=5, chunks=3).fit(blobs())
