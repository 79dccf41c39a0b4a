"""Similarity guidance: the student's distances follow how alike the teacher finds two views, also by their context."""

import torch
from torch import Tensor

from sketchray.losses.gather import gather_rows, own_rows


def similarity_guidance(
    student_BD: Tensor,
    teacher_BD: Tensor,
    instances_B: Tensor,
    *,
    neighbours: int = 10,
    delta: float = 1.0,
    sigma: float = 1.0,
) -> Tensor:
    """Return STML's relaxed contrastive loss (CVPR 2022), AMA's L_sg, over the views of all ranks.

    With D_ij the student's distance over the mean of row i, and W_ij the teacher's similarity (`guidance`)::

        L = 1 / (n (n - 1)) sum_{i != j} W_ij D_ij^2 + (1 - W_ij) relu(delta - D_ij)^2

    Args:
        student_BD: the student's unit features of this rank's views.
        teacher_BD: the teacher's, detached.
        instances_B: int, equal for the views of one sample and different for two samples, over all ranks.
        neighbours: as in `guidance`.
        delta: distance, in mean distances, up to which unlike views are pushed apart.
        sigma: as in `guidance`.

    Returns:
        A scalar whose mean over ranks is the loss on the global batch; 0 for a single view.
    """
    student_GD = gather_rows(student_BD)
    n, own = len(student_GD), own_rows(len(student_BD))
    if n < 2:
        return 0 * student_BD.sum()
    weight_BG = guidance(gather_rows(teacher_BD), gather_rows(instances_B), neighbours=neighbours, sigma=sigma)[own]
    distance_BG = torch.cdist(student_BD, student_GD, compute_mode="donot_use_mm_for_euclid_dist")
    distance_BG = distance_BG / distance_BG.mean(dim=1, keepdim=True).clamp(min=torch.finfo(distance_BG.dtype).tiny)
    pull_BG, push_BG = weight_BG * distance_BG**2, (1 - weight_BG) * torch.relu(delta - distance_BG) ** 2
    other_BG = (
        torch.arange(n, device=student_BD.device)
        != torch.arange(own.start, own.stop, device=student_BD.device)[:, None]
    )
    return ((pull_BG + push_BG) * other_BG).sum() / (len(student_BD) * (n - 1))


@torch.no_grad()
def guidance(teacher_GD: Tensor, instances_G: Tensor, *, neighbours: int = 10, sigma: float = 1.0) -> Tensor:
    """Return W_GG = (W_P + W_C) / 2, how alike the teacher finds two views, 0 to 1, symmetric.

    W_P = exp(-||k_i - k_j||^2 / sigma), and 1 for two views of one sample. With N_k(i) the k nearest views of i, itself
    among them, and R(i) those of N_k(i) that have i among theirs, W_C is the mean over N_{k/2}(i) (query expansion) of

        w_ij = |R(i) and R(j)| / |R(i)| where j is in R(i), else 0

    made symmetric. Equally near views are taken in the order of the batch.

    Args:
        teacher_GD: unit features of all views.
        instances_G: which sample each is of.
        neighbours: k, of which half serve the expansion: 10 and 5 in STML. A batch of fewer than 2 k views takes half
            of its views, since neighbours that are most of the batch tell nothing.
        sigma: > 0.
    """
    n = len(teacher_GD)
    k = max(1, min(neighbours, n // 2))
    distance_GG = torch.cdist(teacher_GD, teacher_GD, compute_mode="donot_use_mm_for_euclid_dist")
    alike_GG = torch.exp(-(distance_GG**2) / sigma)
    alike_GG = torch.where(instances_G[:, None] == instances_G, 1.0, alike_GG)
    itself_first_GG = alike_GG + torch.eye(n, dtype=alike_GG.dtype, device=alike_GG.device)
    nearest_Gk = itself_first_GG.argsort(dim=1, descending=True, stable=True)[:, :k]
    near_GG = torch.zeros_like(alike_GG).scatter_(1, nearest_Gk, 1.0)
    mutual_GG = near_GG * near_GG.T
    shared_GG = mutual_GG * (mutual_GG @ mutual_GG) / mutual_GG.sum(dim=1, keepdim=True)
    expanded_GG = shared_GG[nearest_Gk[:, : max(1, round(k / 2))]].mean(dim=1)
    return (alike_GG + (expanded_GG + expanded_GG.T) / 2) / 2
