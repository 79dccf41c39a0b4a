"""The rows that a codebook is fitted to: unit rows in an order of their own."""

import numpy as np
import numpy.typing as npt

from sketchray.ranking.scoring import Floats, as_vectors, unit_rows


def sample_rows(gallery_ND: npt.ArrayLike, rows: int, *, seed: int) -> Floats:
    """Return at most ``rows`` unit rows, float64, in random order.

    The order and the choice depend on the vectors and the seed, not on the order in which the vectors come: a gallery
    that is gathered from its shards otherwise gets the same codebook.

    Raises:
        ValueError: no row, not a matrix, or a row that is zero or not finite.
    """
    gallery = as_vectors(gallery_ND, "gallery")
    if not len(gallery):
        raise ValueError("the gallery is empty: there is nothing to fit a codebook to")
    plain = np.ascontiguousarray(gallery + 0)  # -0 and 0 are one number, of one pattern of bits
    as_bytes = plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))).ravel()
    order = np.argsort(as_bytes, kind="stable")
    chosen = np.random.default_rng(seed).permutation(len(gallery))[:rows]
    return unit_rows(plain[order[chosen]], "gallery")
