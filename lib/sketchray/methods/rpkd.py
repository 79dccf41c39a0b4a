"""RPKD: relationship-preserving knowledge distillation (Tian, Xu, Wang, Shen, Liu; ACM MM 2021).

A RECONSTRUCTION from the paper's abstract: its full text and code were not at hand, so the equations, the constants and
what stands in for what are ours. No word vectors are used: what is known beyond the seen classes comes from a frozen,
pretrained teacher.

    L = L_cls + inst * L_inst + rel * (L_rel + cross * L_cross) + emb * L_emb

    L_cls    the seen class of every sketch and photo.
    L_inst   the teacher's own classes, answered as the teacher does: keeps relations between classes.
    L_rel    who resembles whom in the global batch, as in the teacher's space; L_cross across the two spaces.
    L_emb    confidence among the classes of the batch follows similarity to their centres in the teacher's space.

A teacher pretrained on photos knows little of sketches. So what it says of a sketch is, by default, what it says of the
sketch's class: the centre of that class's photos, and their mean answer. This too is our reading.

Tensor legend: B sketches, P photos, N = B + P in that order, d embedding, C seen classes, K the teacher's classes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from sketchray.encoders import EncoderConfig
from sketchray.losses import centre_divergence, gather_rows, own_rows, relation_divergence, soft_cross_entropy
from sketchray.methods.base import Batch
from sketchray.methods.student import StudentConfig, StudentMethod
from sketchray.methods.teacher import Teacher


class RPKDConfig(StudentConfig):
    """Weights and temperatures, beside those of `StudentConfig`.

    Attributes:
        inst: weight of L_inst; 0 leaves a term out.
        rel: weight of L_rel.
        cross: weight of L_cross.
        emb: weight of L_emb.
        tau_inst: of both sides of L_inst (1 in SAKE's code).
        tau_rel: of the relation rows.
        tau_emb: of the teacher's side of L_emb.
        sketch_teacher: what the teacher answers for a sketch: its ``class`` as in photos, or the sketch ``itself``.
    """

    inst: float = Field(default=1.0, ge=0)
    rel: float = Field(default=1.0, ge=0)
    cross: float = Field(default=1.0, ge=0)
    emb: float = Field(default=1.0, ge=0)
    tau_inst: float = Field(default=1.0, gt=0)
    tau_rel: float = Field(default=0.1, gt=0)
    tau_emb: float = Field(default=0.1, gt=0)
    sketch_teacher: Literal["class", "itself"] = "class"


class RPKD(StudentMethod):
    """The student starts as the teacher; both have one embedding width, so that spaces can be compared directly.

    Args:
        classes: words of the C seen classes.
        encoder: the student, and without its modality shift the teacher.
        config: see `RPKDConfig`.
    """

    reloadable = ("teacher.",)
    config: RPKDConfig
    centres_Cd: Tensor
    answers_CK: Tensor

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: RPKDConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config, distils=config.inst > 0)
        self.teacher = Teacher(encoder)
        self.register_buffer("centres_Cd", torch.zeros(len(classes), self.student.dim))
        self.register_buffer("answers_CK", torch.zeros(len(classes), len(self.teacher.bias_K)))

    @torch.no_grad()
    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn each class's centre and mean answer from the teacher; centres start a cosine classifier."""
        centres_Cd, answers_CK = self.teacher.class_means(photos, len(self.centres_Cd))
        self.centres_Cd.copy_(centres_Cd)
        self.answers_CK.copy_(answers_CK)
        if self.config.classifier == "cosine":
            self.classifier.prototypes_Cd.copy_(centres_Cd)

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls``, ``inst``, ``rel``, ``cross`` and ``emb``."""
        config = self.config
        student_Nd = self.student.features(batch.images, batch.is_photo)
        seen_NC = self.classifier(student_Nd)
        teacher_Nd, answer_NK = self._ask(batch)

        terms = {"cls": (1.0, self.class_loss(seen_NC, batch))}
        if self.logits is not None:
            inst = soft_cross_entropy(self.logits(student_Nd), answer_NK, temperature=config.tau_inst)
            terms["inst"] = (config.inst, inst)
        if config.rel or config.cross:
            terms |= self._relations(F.normalize(student_Nd, dim=1), teacher_Nd)
        if config.emb:
            present_C = torch.zeros(len(self.centres_Cd), dtype=torch.bool, device=seen_NC.device)
            present_C[gather_rows(batch.labels)] = True
            similarity_NC = teacher_Nd @ self.centres_Cd.T
            emb = centre_divergence(seen_NC, similarity_NC, present_C, temperature=config.tau_emb)
            terms["emb"] = (config.emb, emb)
        return terms

    def _ask(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the teacher says of each row: a unit embedding and logits."""
        if self.config.sketch_teacher == "itself":
            return self.teacher.ask(batch.images)
        photo_Pd, photo_PK = self.teacher.ask(batch.photos)
        labels_B = batch.sketch_labels
        return torch.cat([self.centres_Cd[labels_B], photo_Pd]), torch.cat([self.answers_CK[labels_B], photo_PK])

    def _relations(self, unit_Nd: Tensor, teacher_Nd: Tensor) -> dict[str, tuple[float, Tensor]]:
        """Return L_rel and L_cross of this rank's rows to the rows of all ranks."""
        first, config = own_rows(len(unit_Nd)).start, self.config
        all_Gd = gather_rows(teacher_Nd)
        relations_NG = teacher_Nd @ all_Gd.T
        terms = {}
        if config.rel:
            inside_NG = unit_Nd @ gather_rows(unit_Nd).T
            rel = relation_divergence(inside_NG, relations_NG, first=first, temperature=config.tau_rel)
            terms["rel"] = (config.rel, rel)
        if config.cross:
            across_NG = unit_Nd @ all_Gd.T
            cross = relation_divergence(across_NG, relations_NG, first=first, temperature=config.tau_rel)
            terms["cross"] = (config.cross, cross)
        return terms
