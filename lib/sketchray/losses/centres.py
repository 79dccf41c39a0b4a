"""Embedding-induced supervision: the student's class confidences follow the teacher's similarities to class centres."""

import torch.nn.functional as F
from torch import Tensor


def centre_divergence(logits_BC: Tensor, similarity_BC: Tensor, present_C: Tensor, *, temperature: float) -> Tensor:
    """Return the mean over rows of KL(q_i || p_i) over a partial set of classes.

    RPKD's L_emb in our reconstruction: q_i = softmax(similarity_i / t) and p_i = softmax(logits_i), both over the
    present classes only.

    Args:
        logits_BC: the student's seen-class logits.
        similarity_BC: cosines of the teacher's embedding to its class centres, detached.
        present_C: True for the classes of the partial set.
        temperature: t > 0, of the teacher's side alone.

    Returns:
        A scalar, at least 0; 0 where no class, or only one, is present.
    """
    return F.kl_div(
        F.log_softmax(logits_BC[:, present_C], dim=1),
        F.log_softmax(similarity_BC[:, present_C] / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
