"""Relation distillation: the student keeps who is similar to whom."""

import torch
import torch.nn.functional as F
from torch import Tensor


def relation_divergence(student_BG: Tensor, teacher_BG: Tensor, *, first: int, temperature: float) -> Tensor:
    """Return the mean over rows i of KL(a^T_i || a^S_i), a_ij = softmax over j != i of similarity_ij / t.

    RPKD's L_rel in our reconstruction (the family of CRD, ISD and SEED). The student's similarities may be taken inside
    its own space, or from its rows to the teacher's: the contrast across the two spaces. Either way j = i is left out,
    so that both distributions have one support.

    Args:
        student_BG: similarities of this rank's rows to all rows.
        teacher_BG: the teacher's, detached.
        first: column of the first of these rows (`own_rows(B).start`).
        temperature: t > 0.

    Returns:
        A scalar, at least 0; 0 where there is no other row.
    """
    rows, columns = student_BG.shape
    own_B = torch.arange(first, first + rows, device=student_BG.device)
    other_BG = torch.arange(columns, device=student_BG.device) != own_B[:, None]
    student_BR, teacher_BR = (x[other_BG].view(rows, columns - 1) / temperature for x in (student_BG, teacher_BG))
    return F.kl_div(
        F.log_softmax(student_BR, dim=1), F.log_softmax(teacher_BR, dim=1), reduction="batchmean", log_target=True
    )
