"""DINO's self-distillation: the student says of every view what the teacher says of another one."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sketchray.losses.gather import gather_rows


def self_distillation(
    student_VBK: Tensor,
    teacher_gBK: Tensor,
    centre_K: Tensor,
    *,
    student_temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Return the mean of H(softmax((h_T - c) / t_T), softmax(h_S / t_S)) over pairs of different views of one sample.

    AMA's L_sd (DINO, ICCV 2021): pairs of a global view g that the teacher saw and a view v != g that the student saw.

    Args:
        student_VBK: head outputs of V views, the global ones first, in the teacher's order.
        teacher_gBK: head outputs of the g <= V global views, detached.
        centre_K: what is taken off the teacher's outputs, so that no output wins everywhere.
        student_temperature: t_S > 0; 0.1 in DINO.
        teacher_temperature: t_T > 0; 0.04 in AMA's released code.

    Returns:
        A scalar, at least the entropy of the teacher's distributions.

    Raises:
        ValueError: there are no two different views.
    """
    views, seen_by_teacher = len(student_VBK), len(teacher_gBK)
    if views < 2:
        raise ValueError("self-distillation compares views of a sample: it needs at least two")
    target_gBK = F.softmax((teacher_gBK - centre_K) / teacher_temperature, dim=2)
    log_VBK = F.log_softmax(student_VBK / student_temperature, dim=2)
    pairs_gV = -torch.einsum("gbk,vbk->gv", target_gBK, log_VBK) / max(1, student_VBK.shape[1])
    same_gV = torch.eye(seen_by_teacher, views, dtype=torch.bool, device=pairs_gV.device)
    return pairs_gV[~same_gV].mean()


@torch.no_grad()
def moved_centre(centre_K: Tensor, teacher_gBK: Tensor, *, momentum: float) -> Tensor:
    """Return the centre after one step: a moving average of the teacher's mean output over all ranks.

    Args:
        centre_K: before.
        teacher_gBK: this rank's head outputs, as many on every rank.
        momentum: what stays of the old centre, 0 to 1; 0.9 in DINO.
    """
    mean_K = gather_rows(teacher_gBK.mean(dim=(0, 1))[None]).mean(0)
    return momentum * centre_K + (1 - momentum) * mean_K
