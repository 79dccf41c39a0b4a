"""AMA's terms for one modality's views, from `sketchray.losses`, and what shows a collapse."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sketchray.losses import (
    cluster_contrast,
    confident,
    distance_alignment,
    gather_rows,
    own_rows,
    similarity_guidance,
)
from sketchray.methods.ama_clusters import Clusters
from sketchray.methods.ama_config import AMAConfig


def contrast_term(
    student_VBD: Tensor, teacher_BD: Tensor, clusters: Clusters, ids: Sequence[str], config: AMAConfig
) -> tuple[Tensor, Tensor]:
    """Return L_cc, and the part of samples that its gate keeps, over all granularities.

    Args:
        student_VBD: the student's unit features, the first global view first: the anchors.
        teacher_BD: the teacher's of that view.
        clusters: of this modality.
        ids: of the samples.
        config: temperatures and the gate.
    """
    clusters_LB = clusters.lookup(ids, teacher_BD)
    tau, least = config.tau_contrast, config.confidence
    kept_LB = torch.stack(
        [
            confident(teacher_BD, centroids_KD, own_B, temperature=tau, least=least)
            for centroids_KD, own_B in zip(clusters.centroids, clusters_LB, strict=True)
        ]
    )
    loss = cluster_contrast(student_VBD[0], student_VBD[1:], clusters_LB, kept_LB, temperature=tau)
    return loss, kept_LB.to(loss.dtype).mean()


def guidance_term(student_gBD: Tensor, teacher_gBD: Tensor, config: AMAConfig) -> Tensor:
    """Return L_sg over the g global views; two views of one sample are alike whatever the teacher finds."""
    views, rows = student_gBD.shape[:2]
    own = own_rows(rows)
    instances_N = torch.arange(own.start, own.stop, device=student_gBD.device).repeat(views)
    student_ND, teacher_ND = student_gBD.flatten(0, 1), teacher_gBD.flatten(0, 1)
    return similarity_guidance(student_ND, teacher_ND, instances_N, neighbours=config.neighbours)


def mutual_term(student_BD: Tensor, sketches: Clusters, photos: Clusters, config: AMAConfig) -> Tensor:
    """Return L_ma of one modality's first global views, averaged over granularities."""
    terms = [
        distance_alignment(student_BD, sketch_KD, photo_KD, temperature=config.tau_mutual)
        for sketch_KD, photo_KD in zip(sketches.centroids, photos.centroids, strict=True)
    ]
    return torch.stack(terms).mean()


def shares(weighted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return each weighted term's part of the loss on the global batch, as ``share_<name>``."""
    global_T = gather_rows(torch.stack(list(weighted.values())).detach()[None]).mean(0)
    shares_T = global_T / global_T.sum().clamp(min=torch.finfo(global_T.dtype).tiny)
    return {f"share_{name}": share for name, share in zip(weighted, shares_T.unbind(), strict=True)}


def spread(unit_BD: Tensor) -> Tensor:
    """Return the mean over dimensions of the standard deviation of unit vectors, times the root of D.

    1 where they fill the sphere evenly, 0 where they are one point.
    """
    return unit_BD.std(dim=0, correction=0).mean() * math.sqrt(unit_BD.shape[1])
