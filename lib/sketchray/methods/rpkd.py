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

import copy
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from sketchray.config import Config
from sketchray.encoders import Encoder, EncoderConfig
from sketchray.losses import centre_divergence, gather_rows, own_rows, relation_divergence, soft_cross_entropy
from sketchray.methods.base import Batch, Method
from sketchray.methods.heads import CosineClassifier, logit_head
from sketchray.methods.teacher import Teacher


class RPKDConfig(Config):
    """Weights, temperatures and the optimiser.

    Attributes:
        inst: weight of L_inst; 0 leaves a term out.
        rel: weight of L_rel.
        cross: weight of L_cross.
        emb: weight of L_emb.
        tau_cls: of the cosine classifier of seen classes.
        tau_inst: of both sides of L_inst (1 in SAKE's code).
        tau_rel: of the relation rows.
        tau_emb: of the teacher's side of L_emb.
        smoothing: of the labels in L_cls.
        sketch_teacher: what the teacher answers for a sketch: its ``class`` as in photos, or the sketch ``itself``.
        frozen_stages: of the student's backbone, from the input on, that stay as pretrained; four halve a step's time.
        lr: peak learning rate of the student.
        head_lr: of the heads that do not ship.
        weight_decay: decoupled (AdamW).
        warmup: steps to reach the peak; then half a cosine.
        ema: decay of the average of weights that ships; 0 ships the last weights.
    """

    inst: float = Field(default=1.0, ge=0)
    rel: float = Field(default=1.0, ge=0)
    cross: float = Field(default=1.0, ge=0)
    emb: float = Field(default=1.0, ge=0)
    tau_cls: float = Field(default=0.05, gt=0)
    tau_inst: float = Field(default=1.0, gt=0)
    tau_rel: float = Field(default=0.1, gt=0)
    tau_emb: float = Field(default=0.1, gt=0)
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    sketch_teacher: Literal["class", "itself"] = "class"
    frozen_stages: int = Field(default=4, ge=0)
    lr: float = Field(default=2e-4, gt=0)
    head_lr: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: int = Field(default=10, ge=1)
    ema: float = Field(default=0.0, ge=0, lt=1)


class RPKD(Method):
    """The student starts as the teacher; both have one embedding width, so that spaces can be compared directly.

    Args:
        classes: words of the C seen classes.
        encoder: the student, and without its modality shift the teacher.
        config: see `RPKDConfig`.
    """

    reloadable = ("teacher.",)
    centres_Cd: Tensor
    answers_CK: Tensor

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: RPKDConfig) -> None:
        super().__init__()
        self.config = config
        self.student = Encoder(encoder)
        for stage in self.student.backbone.stages()[: config.frozen_stages]:
            stage.requires_grad_(False)
        self.teacher = Teacher(encoder)
        self.classifier = CosineClassifier(self.student.dim, len(classes), temperature=config.tau_cls)
        self.logits = logit_head(self.student) if config.inst else None
        self.register_buffer("centres_Cd", torch.zeros(len(classes), self.student.dim))
        self.register_buffer("answers_CK", torch.zeros(len(classes), len(self.teacher.bias_K)))
        self.average = copy.deepcopy(self.student).requires_grad_(False) if config.ema else None

    @property
    def encoder(self) -> Encoder:
        """The student, or its moving average."""
        return self.average or self.student

    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn each class's centre and mean answer from the teacher; centres are the classifier's first weights."""
        centres_Cd, answers_CK = self.teacher.class_means(photos, len(self.centres_Cd))
        self.centres_Cd.copy_(centres_Cd)
        self.answers_CK.copy_(answers_CK)
        self.classifier.prototypes_Cd.data.copy_(centres_Cd)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``cls``, ``inst``, ``rel``, ``cross``, ``emb`` unweighted, and ``loss``."""
        config = self.config
        student_Nd = self.student.features(batch.images, batch.is_photo)
        unit_Nd = F.normalize(student_Nd, dim=1)
        seen_NC = self.classifier(unit_Nd)
        teacher_Nd, answer_NK = self._ask(batch)

        terms = {"cls": F.cross_entropy(seen_NC, batch.labels, label_smoothing=config.smoothing)}
        if self.logits is not None:
            terms["inst"] = soft_cross_entropy(self.logits(student_Nd), answer_NK, temperature=config.tau_inst)
        if config.rel or config.cross:
            terms |= self._relations(unit_Nd, teacher_Nd)
        if config.emb:
            present_C = torch.zeros(len(self.centres_Cd), dtype=torch.bool, device=unit_Nd.device)
            present_C[gather_rows(batch.labels)] = True
            similarity_NC = teacher_Nd @ self.centres_Cd.T
            terms["emb"] = centre_divergence(seen_NC, similarity_NC, present_C, temperature=config.tau_emb)
        weights = {"cls": 1.0, "inst": config.inst, "rel": config.rel, "cross": config.cross, "emb": config.emb}
        return {"loss": torch.stack([weights[name] * term for name, term in terms.items()]).sum(), **terms}

    def _ask(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the teacher says of each row: a unit embedding and logits."""
        if self.config.sketch_teacher == "itself":
            return self.teacher.ask(batch.images)
        photo_Pd, photo_PK = self.teacher.ask(batch.photos)
        labels_B = batch.sketch_labels
        return torch.cat([self.centres_Cd[labels_B], photo_Pd]), torch.cat([self.answers_CK[labels_B], photo_PK])

    def _relations(self, unit_Nd: Tensor, teacher_Nd: Tensor) -> dict[str, Tensor]:
        """Return L_rel and L_cross of this rank's rows to the rows of all ranks."""
        first, temperature = own_rows(len(unit_Nd)).start, self.config.tau_rel
        all_Gd = gather_rows(teacher_Nd)
        relations_NG = teacher_Nd @ all_Gd.T
        terms = {}
        if self.config.rel:
            inside_NG = unit_Nd @ gather_rows(unit_Nd).T
            terms["rel"] = relation_divergence(inside_NG, relations_NG, first=first, temperature=temperature)
        if self.config.cross:
            across_NG = unit_Nd @ all_Gd.T
            terms["cross"] = relation_divergence(across_NG, relations_NG, first=first, temperature=temperature)
        return terms

    def optimizers(self, total_steps: int) -> dict[str, Optimizer]:  # noqa: ARG002 - others plan over it
        """Return AdamW with one rate for the student and one for the heads."""
        heads = nn.ModuleList([head for head in (self.classifier, self.logits) if head is not None])
        groups = [
            {"params": [p for p in self.student.parameters() if p.requires_grad], "lr": self.config.lr},
            {"params": list(heads.parameters()), "lr": self.config.head_lr},
        ]
        return {"student": AdamW(groups, weight_decay=self.config.weight_decay)}

    def lr_factor(self, step: int, total_steps: int) -> float:
        """Rise linearly over the warm-up, under half a cosine."""
        return min(1.0, (step + 1) / self.config.warmup) * super().lr_factor(step, total_steps)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the average towards the student, faster in the first steps."""
        if self.average is not None:
            decay = min(self.config.ema, (1 + step) / (10 + step))
            for mean, value in zip(self.average.parameters(), self.student.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
