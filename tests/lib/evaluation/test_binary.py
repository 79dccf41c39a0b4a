"""Binary codes: a rotation, better than none, ranked as by Hamming distance."""

import numpy as np
import numpy.typing as npt
import pytest

from sketchray.evaluation.binary import fit_itq
from sketchray.ranking import CosineScorer

Floats = npt.NDArray[np.float64]


def clustered(rows: int, dim: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(5, dim))[rng.integers(0, 5, rows)] + 0.3 * rng.normal(size=(rows, dim)))


def test_projection_is_the_principal_subspace_rotated() -> None:
    x = clustered(300, 12, 0)
    itq = fit_itq(x, bits=5)
    np.testing.assert_allclose(itq.projection_DK.T @ itq.projection_DK, np.eye(5), atol=1e-10)
    _, _, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(itq.projection_DK @ itq.projection_DK.T, directions[:5].T @ directions[:5], atol=1e-8)


def test_iterations_lower_the_quantisation_error() -> None:
    x = clustered(400, 16, 1)

    def error(iterations: int) -> float:
        itq = fit_itq(x, bits=16, iterations=iterations)
        return float(((itq.encode(x) - (x - x.mean(axis=0)) @ itq.projection_DK) ** 2).sum())

    errors = [error(iterations) for iterations in (0, 1, 5, 50)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.99 * errors[0]


def test_cosine_of_codes_orders_and_ties_as_hamming_does() -> None:
    itq = fit_itq(clustered(200, 10, 2), bits=7)
    queries, gallery = itq.encode(clustered(9, 10, 3)), itq.encode(clustered(80, 10, 4))
    scores = CosineScorer(queries, gallery)(slice(0, 9))
    distance = (queries[:, None] != gallery[None]).sum(axis=2)
    for row in range(9):
        ranks = {distance[row, item]: scores[row, item] for item in range(80)}
        assert (np.array([ranks[d] for d in distance[row]]) == scores[row]).all()
        assert [ranks[d] for d in sorted(ranks)] == sorted(ranks.values(), reverse=True)


def test_unusable_input_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bits from 10 dimensions"):
        fit_itq(clustered(20, 10, 0), bits=12)
    with pytest.raises(ValueError, match="two rows"):
        fit_itq(clustered(1, 10, 0), bits=2)
