"""Binary codes by iterative quantisation (ITQ), ranked by Hamming distance.

Gong and Lazebnik, "Iterative quantization: a Procrustean approach to learning binary codes", CVPR 2011; 50 iterations
and as many bits as the embedding has dimensions (64), as the papers of this field use it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sketchray.evaluation.ranked import Floats


@dataclass(frozen=True, kw_only=True)
class ITQ:
    """A fitted projection to binary codes.

    Args:
        projection_DK: principal directions, rotated; K bits.
    """

    projection_DK: Floats

    def encode(self, x_ND: npt.ArrayLike, *, mean_D: npt.ArrayLike | None = None) -> npt.NDArray[np.int8]:
        """Return codes of -1 and +1, shape (N, K); their cosine orders as the Hamming distance does.

        Args:
            x_ND: embeddings.
            mean_D: what is subtracted first; by default the set's own mean, as the SAKE line does it: sketches and
                photos are centred apart, which takes away part of the gap between the modalities.
        """
        x = np.asarray(x_ND, np.float64)
        centred = x - (x.mean(axis=0) if mean_D is None else np.asarray(mean_D))
        return np.where(centred @ self.projection_DK >= 0, 1, -1).astype(np.int8)


def binary_codes(
    queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike, *, bits: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return the codes of queries and gallery by a projection fitted to the gallery, each set centred by its own mean.

    No label and no query takes part in the fit; the gallery does, so what is ranked by such codes is transductive.

    Raises:
        ValueError: as `fit_itq`.
    """
    itq = fit_itq(gallery_GD, bits=bits)
    return itq.encode(queries_QD), itq.encode(gallery_GD)


def fit_itq(x_ND: npt.ArrayLike, *, bits: int = 64, iterations: int = 50, seed: int = 0) -> ITQ:
    """Find the rotation of the first principal directions that brings the rows closest to the corners of a cube.

    What it is fitted on is part of the protocol: training features for a clean number. The released SAKE line fits on
    the test queries themselves, which is transductive and is to be marked so.

    Args:
        x_ND: embeddings, N at least 2.
        bits: length of the code, at most D.
        iterations: alternations of codes and rotation.
        seed: of the rotation that it starts from.

    Raises:
        ValueError: more bits than dimensions, or too few rows.
    """
    x = np.asarray(x_ND, np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"ITQ needs a matrix of at least two rows, got {x.shape}")
    if not 1 <= bits <= x.shape[1]:
        raise ValueError(f"{bits} bits from {x.shape[1]} dimensions: between 1 and {x.shape[1]} are possible")
    centred = x - x.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    principal_DK = directions[:, ::-1][:, :bits]
    projected_NK = centred @ principal_DK
    rotation_KK, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(bits, bits)))
    for _ in range(iterations):
        codes_NK = np.where(projected_NK @ rotation_KK >= 0, 1.0, -1.0)
        # The orthogonal Procrustes problem: the rotation that maps the projections closest to their codes.
        left, _, right = np.linalg.svd(projected_NK.T @ codes_NK)
        rotation_KK = left @ right
    return ITQ(projection_DK=principal_DK @ rotation_KK)
