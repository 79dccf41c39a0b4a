"""Mutual alignment of two modalities: samples as far apart seen from one modality's clusters as from the other's."""

import torch.nn.functional as F
from torch import Tensor

from sketchray.losses.gather import gather_rows


def distance_alignment(
    features_BD: Tensor, sketch_centroids_KD: Tensor, photo_centroids_KD: Tensor, *, temperature: float = 0.01
) -> Tensor:
    """Return the distance of distances (UCDIR, ECCV 2022), AMA's L_ma for one batch and one granularity.

    With P the rows of softmax(f . c / t) over one modality's centroids and D_ij = 1 - cos(P_i, P_j) over the global
    batch, L = mean_i || D^sketch_i - D^photo_i ||^2. It asks for no correspondence between the two sets of clusters.

    Args:
        features_BD: the student's unit features of one modality, this rank's rows.
        sketch_centroids_KD: unit centroids of the sketches' clusters.
        photo_centroids_KD: of the photos'; their number may differ.
        temperature: t > 0; 0.01 in both released codes.

    Returns:
        A scalar whose mean over ranks is the loss on the global batch. It grows with the rows of that batch.
    """
    features_GD = gather_rows(features_BD)
    distances = []
    for centroids_KD in (sketch_centroids_KD, photo_centroids_KD):
        own_BK, all_GK = (
            F.normalize(F.softmax(x @ centroids_KD.T / temperature, dim=1), dim=1) for x in (features_BD, features_GD)
        )
        distances.append(1 - own_BK @ all_GK.T)
    sketch_BG, photo_BG = distances
    return ((sketch_BG - photo_BG) ** 2).sum(1).mean()
