"""Galleries for the ranking tests, and the slow definitions that several of them compare with."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

Floats = npt.NDArray[np.float64]
Blobs = Callable[..., Floats]


@pytest.fixture
def blobs() -> Blobs:
    """Give ``blobs(clusters, rows, dim, spread, seed)``: rows about as many centres, cluster after cluster."""

    def make(clusters: int = 5, rows: int = 20, dim: int = 8, spread: float = 0.3, seed: int = 0) -> Floats:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(clusters, 1, dim))
        return np.asarray((centres + spread * rng.normal(size=(clusters, rows, dim))).reshape(-1, dim))

    return make


@pytest.fixture
def slow_distances() -> Callable[[Floats, Floats], list[list[float]]]:
    """Give the squared distance of one vector, at unit length, to every codeword of every chunk, by loops."""

    def distances(x_D: Floats, centres_MKC: Floats) -> list[list[float]]:
        length = sum(float(a) ** 2 for a in x_D) ** 0.5
        unit = [float(a) / length for a in x_D]
        width = centres_MKC.shape[2]
        return [
            [
                sum((unit[chunk * width + i] - float(codeword[i])) ** 2 for i in range(width))
                for codeword in centres_MKC[chunk]
            ]
            for chunk in range(len(centres_MKC))
        ]

    return distances
