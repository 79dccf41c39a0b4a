"""Instance-level distillation: the student answers the teacher's classes as the teacher does."""

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(student_BK: Tensor, teacher_BK: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Return the mean over rows of H(softmax(teacher / t), softmax(student / t)).

    SAKE's knowledge distillation without its WordNet term; RPKD's L_inst in our reconstruction.

    Args:
        student_BK: logits.
        teacher_BK: logits; pass them detached to teach one way only.
        temperature: t > 0; 1 in SAKE's released code.

    Returns:
        A scalar, at least the teacher's own entropy.
    """
    return F.cross_entropy(student_BK / temperature, F.softmax(teacher_BK / temperature, dim=1))
