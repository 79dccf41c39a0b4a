"""SBKA: symmetrical bidirectional knowledge alignment (Liu, Luo, Peng, Wang, Hu, Gao; arXiv 2312.10320).

    L = L_S + L_T        L_S = L_cls + ka * L^S_ka + align * L_ma        L_T = ka * L^T_ka

    L_cls    CE(u, y): the seen class of every sketch and photo.
    L^S_ka   - mean over photos of softmax(z_T + w m_y) . log softmax(z_S): the student learns the teacher's answers.
    L^T_ka   - mean over photos of softmax(z_S + w m_y) . log softmax(z_T): the teacher learns the student's.
    L_ma     mean over sketches and photos of KL(softmax(eps) || softmax(f)), eps ~ N(0, 1)^d.

u are seen-class logits, z the K logits of student and teacher, f the embedding before normalisation, w m_y SAKE's
semantic term, where there is a file of class similarities. Of the teacher only the K-way head trains. In phase one it
rests; in phase two both learn from each other.

The authors' code never detaches a target. In phase two it runs backward of L_S, clears the teacher's gradients, runs
backward of L_T and lets both step. So with a for the student's parameters and b for the teacher's head

    student  d(L_S + L_T) / da    through the target of L^T_ka too,
    teacher  d L_T / db           what L_S sends through its target is cleared.

One backward of L_S with its target detached + L_T with its target attached gives the same, since z_T does not depend
on a; and DistributedDataParallel needs it to be one. In phase one the authors leave L_T out. Here it is computed with
its target detached: the student's gradient is dL_S / da, the head's is there (every parameter takes part) but unused.

Training follows the released code, with its weights as defaults: ka 1, align 0.1, w 0.3, no temperature. One-to-many
matching at test time is `sketchray.ranking`'s ``mixture``. Ours: an embedding from the SVD where ``dim`` is set (the
authors have the backbone's features), and eps as a function of (seed, step, sample).

Tensor legend: P photos, N sketches and photos, d embedding, D backbone's features, K the teacher's classes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from sketchray.encoders import EncoderConfig
from sketchray.losses import gaussian_divergence, sample_noise, soft_cross_entropy
from sketchray.methods.base import Batch
from sketchray.methods.semantic_shift import SemanticShift
from sketchray.methods.student import StudentConfig, StudentMethod
from sketchray.methods.teacher import Teacher


class SBKAConfig(StudentConfig):
    """Weights and phases, beside what is in `StudentConfig`.

    Attributes:
        classifier: ``linear`` as the authors have it, or ``cosine``.
        ka: weight of L^S_ka and of L^T_ka.
        align: weight of L_ma.
        phase_one_steps: steps in which the teacher rests (half of the run on Sketchy, a fifth on QuickDraw).
        teacher_lr: peak rate of the teacher's head (the student's; half of it on TU-Berlin).
        semantics: file of class similarities (`sketchray.data.semantics`); None leaves the semantic term out.
        semantic_weight: w.
    """

    classifier: Literal["cosine", "linear"] = "linear"
    ka: float = Field(default=1.0, ge=0)
    align: float = Field(default=0.1, ge=0)
    phase_one_steps: int = Field(default=100, ge=0)
    teacher_lr: float = Field(default=2e-4, gt=0)
    semantics: str | None = None
    semantic_weight: float = Field(default=0.3, ge=0)


class SBKA(StudentMethod):
    """A student, and a teacher whose backbone is frozen and whose head may learn.

    Args:
        classes: words of the C seen classes.
        encoder: the student; the teacher is its backbone, without its modality shift.
        config: see `SBKAConfig`.
    """

    reloadable = ("teacher.",)
    config: SBKAConfig
    logits: nn.Linear

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: SBKAConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config)
        self.teacher = Teacher(encoder)
        n_logits, features = self.teacher.classifier_KD.shape
        self.teacher_head = nn.Linear(features, n_logits)
        self.teacher_head.weight.data.copy_(self.teacher.classifier_KD)
        self.teacher_head.bias.data.copy_(self.teacher.bias_K)
        self.semantics = SemanticShift(
            config.semantics, weight=config.semantic_weight, classes=classes, n_logits=n_logits
        )

    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Start a cosine classifier's prototypes at the classes' centres; say whether there is a semantic term."""
        super().prepare(photos)
        self.semantics.announce()

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls``, ``student`` (L^S_ka), ``align`` (L_ma) and ``teacher`` (L^T_ka, in phase one only logged)."""
        student_Nd = self.student.features(batch.images, batch.is_photo)
        student_PK = self.logits(student_Nd[batch.is_photo])
        teacher_PK = self.teacher_head(self.teacher.features(batch.photos))
        taught_PK = self.semantics(teacher_PK.detach(), batch.photo_labels)
        answer_PK = student_PK.detach() if self.resting(batch.step) else student_PK
        ids = [*batch.sketch_ids, *batch.photo_ids]
        noise_Nd = sample_noise(student_Nd, ids, seed=batch.seed, step=batch.step)
        return {
            "cls": (1.0, self.class_loss(self.classifier(student_Nd), batch)),
            "student": (self.config.ka, soft_cross_entropy(student_PK, taught_PK)),
            "align": (self.config.align, gaussian_divergence(student_Nd, noise_Nd)),
            "teacher": (self.config.ka, soft_cross_entropy(teacher_PK, self.semantics(answer_PK, batch.photo_labels))),
        }

    def optimizers(self, total_steps: int) -> dict[str, Optimizer]:
        """Return one optimiser for the student with its heads, and one for the teacher's head."""
        groups = [{"params": list(self.teacher_head.parameters()), "lr": self.config.teacher_lr}]
        return super().optimizers(total_steps) | {"teacher": self.optimizer(groups)}

    def resting(self, step: int) -> frozenset[str]:
        """The teacher rests in phase one."""
        return frozenset({"teacher"}) if step < self.config.phase_one_steps else frozenset()
