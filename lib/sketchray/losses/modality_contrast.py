"""Contrast across modalities: sketches are drawn to the photos of their class, photos to its sketches."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses.gather import gather_rows


def modality_contrast(
    sketch_Bd: Tensor, photo_Pd: Tensor, sketch_labels_B: Tensor, photo_labels_P: Tensor, *, temperature: float
) -> Tensor:
    """Return the supervised contrast of sketches with photos and of photos with sketches, half of each.

    Supervised contrastive learning (Khosla et al., NeurIPS 2020, eq. 2) with all candidates of the other modality: what
    is compared in retrieval, and nothing else. For an anchor i and candidates j of the other modality, of all ranks::

        log p_ij = z_i . z_j / t - log sum_j' exp(z_i . z_j' / t)
        L = - mean over i that have a j of their class of (mean over those j of log p_ij)

    Args:
        sketch_Bd: unit embeddings of this rank's sketches.
        photo_Pd: of its photos.
        sketch_labels_B: their classes.
        photo_labels_P: likewise.
        temperature: t > 0.

    Returns:
        A scalar whose mean over ranks is the loss on the global batch; 0 where no class is in both modalities.
    """
    sketches = (sketch_Bd, gather_rows(sketch_Bd), sketch_labels_B, gather_rows(sketch_labels_B))
    photos = (photo_Pd, gather_rows(photo_Pd), photo_labels_P, gather_rows(photo_labels_P))
    return (_one_way(sketches, photos, temperature) + _one_way(photos, sketches, temperature)) / 2


Side = tuple[Tensor, Tensor, Tensor, Tensor]  # this rank's rows, those of all ranks, and the labels of both


def _one_way(anchors: Side, candidates: Side, temperature: float) -> Tensor:
    anchor_Bd, _, label_B, all_labels_G = anchors
    _, candidate_Gd, _, candidate_labels_G = candidates
    log_BG = F.log_softmax(anchor_Bd @ candidate_Gd.T / temperature, dim=1)
    same_BG = label_B[:, None] == candidate_labels_G[None]
    count_B = same_BG.sum(dim=1)
    row_B = (log_BG * same_BG).sum(dim=1) / count_B.clamp(min=1)
    ranks = len(all_labels_G) / len(label_B)
    anchored = torch.isin(all_labels_G, candidate_labels_G).sum()
    return -row_B.sum() * ranks / anchored.clamp(min=1)
