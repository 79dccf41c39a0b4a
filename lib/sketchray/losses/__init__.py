"""Loss terms: one a file, plain functions of tensors, composed by `sketchray.methods`.

Tensor legend: B rows of this rank, G rows of all ranks, C seen classes, K classes of the teacher's classifier.
"""

from sketchray.losses.centres import centre_divergence
from sketchray.losses.cluster_contrast import cluster_contrast, confident
from sketchray.losses.distance_alignment import distance_alignment
from sketchray.losses.gather import gather_rows, own_rows
from sketchray.losses.gaussian import gaussian_divergence, sample_noise
from sketchray.losses.instance import soft_cross_entropy
from sketchray.losses.modality_contrast import modality_contrast
from sketchray.losses.relation import relation_divergence
from sketchray.losses.self_distillation import moved_centre, self_distillation
from sketchray.losses.similarity_guidance import guidance, similarity_guidance

__all__ = [
    "centre_divergence",
    "cluster_contrast",
    "confident",
    "distance_alignment",
    "gather_rows",
    "gaussian_divergence",
    "guidance",
    "modality_contrast",
    "moved_centre",
    "own_rows",
    "relation_divergence",
    "sample_noise",
    "self_distillation",
    "similarity_guidance",
    "soft_cross_entropy",
]
