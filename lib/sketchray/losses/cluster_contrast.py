"""Cluster contrast: a view is drawn to all views of its own cluster, and away from the others."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses.gather import gather_rows


def cluster_contrast(
    anchor_BD: Tensor, views_VBD: Tensor, clusters_LB: Tensor, kept_LB: Tensor, *, temperature: float
) -> Tensor:
    """Return a supervised contrast with clusters for classes, averaged over granularities from coarse to fine.

    AMA's L_cc, with the repair of its released code: the mask that runs over granularities stays one column a sample
    and only a copy of it is repeated for the views. For an anchor i (its first global view) and candidates j (all other
    views of all samples of all ranks)::

        mask_ij = 1 where i and j share the cluster at this granularity and all coarser ones
        log p_ij = q_i . q_j / t - log sum_j' exp(q_i . q_j' / t)
        L = - mean over kept i of (sum_j mask_ij log p_ij) / (sum_j mask_ij)

    Args:
        anchor_BD: unit features of the first global view of this rank's samples.
        views_VBD: unit features of their V other views.
        clusters_LB: cluster of each sample at each of L granularities.
        kept_LB: True where the teacher is sure enough of a sample's cluster (`confident`).
        temperature: t > 0; 0.2 in the released code.

    Returns:
        A scalar whose mean over ranks is the loss on the global batch; 0 at a granularity at which no sample is kept.
    """
    levels, views = len(clusters_LB), len(views_VBD)
    candidates_CD = gather_rows(views_VBD.transpose(0, 1)).transpose(0, 1).flatten(0, 1)  # C = V x G, by view
    clusters_GL = gather_rows(clusters_LB.T)
    kept_GL = gather_rows(kept_LB.T.to(anchor_BD.dtype))
    log_BC = F.log_softmax(anchor_BD @ candidates_CD.T / temperature, dim=1)
    ranks = len(kept_GL) / max(1, len(anchor_BD))

    together_BG = torch.ones(len(anchor_BD), len(clusters_GL), dtype=torch.bool, device=anchor_BD.device)
    total = anchor_BD.new_zeros(()) + 0 * log_BC.sum()
    for level in range(levels):
        together_BG = together_BG & (clusters_LB[level][:, None] == clusters_GL[:, level])
        mask_BC = together_BG.repeat(1, views).to(log_BC.dtype)
        row_B = (mask_BC * log_BC).sum(1) / mask_BC.sum(1)  # never empty: a sample's own other views share its cluster
        total = total - row_B[kept_LB[level]].sum() * ranks / kept_GL[:, level].sum().clamp(min=1)
    return total / levels


@torch.no_grad()
def confident(
    teacher_BD: Tensor, centroids_KD: Tensor, clusters_B: Tensor, *, temperature: float, least: float
) -> Tensor:
    """Return where the teacher's posterior of a sample's own cluster, softmax_c(k_i . c / t), is above the least.

    Args:
        teacher_BD: unit features k of the first global view.
        centroids_KD: unit centroids c of one granularity.
        clusters_B: the clusters that the samples were given.
        temperature: t > 0.
        least: 0.2 in the released code.

    Returns:
        Bool (B,).
    """
    posterior_BK = F.softmax(teacher_BD @ centroids_KD.T / temperature, dim=1)
    return posterior_BK.gather(1, clusters_B[:, None]).squeeze(1) > least
