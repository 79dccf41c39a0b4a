"""Loss terms: one a file, plain functions of tensors, composed by `sketchray.methods`.

Tensor legend: B rows of this rank, G rows of all ranks, C seen classes, K classes of the teacher's classifier.
"""

from sketchray.losses.centres import centre_divergence
from sketchray.losses.gather import gather_rows, own_rows
from sketchray.losses.instance import soft_cross_entropy
from sketchray.losses.relation import relation_divergence

__all__ = ["centre_divergence", "gather_rows", "own_rows", "relation_divergence", "soft_cross_entropy"]
