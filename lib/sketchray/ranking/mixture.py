"""The Gaussian mixture: SBKA's codewords are the means of its components (arXiv 2312.10320, the released test code)."""

from typing import Any, Literal

import numpy as np

from sketchray.ranking.scoring import Floats

Covariance = Literal["diag", "full"]


def gaussian_mixture(x_ND: Floats, codewords: int, *, covariance: Covariance, seed: int) -> Any:
    """Fit scikit-learn's ``GaussianMixture``; its ``means_`` are (K, D).

    Args:
        x_ND: rows, float64.
        codewords: K, the components, at most N.
        covariance: ``full``, a matrix for each component, is the authors'; it takes K D^2 numbers, and time to match.
            ``diag`` is the default of the ranking because it scales.
        seed: of the k-means that the components start from.

    Raises:
        ValueError: fewer rows than components.
    """
    if codewords > len(x_ND):
        raise ValueError(f"{len(x_ND)} rows cannot be given {codewords} codewords")
    from sklearn.mixture import GaussianMixture  # takes a second to import

    return GaussianMixture(codewords, covariance_type=covariance, random_state=seed).fit(x_ND)


def mixture_means(x_ND: Floats, codewords: int, *, covariance: Covariance, seed: int) -> Floats:
    """Return the means (K, D) of the fitted components; see `gaussian_mixture`."""
    return np.asarray(gaussian_mixture(x_ND, codewords, covariance=covariance, seed=seed).means_)
