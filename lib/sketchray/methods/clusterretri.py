"""ClusterRetri: distribution-aligned features, then cluster-then-retrieve (Wu, Song, Zhao, Chen, Ma; arXiv 2301.06685).

    L = L_cls + kd * L_kd + align * L_da

    L_cls    CE(u, y): the seen class of every sketch and photo.
    L_kd     - mean over photos of softmax((z_T + w m_y) / tau) . log softmax(z_S / tau): the student answers the
             teacher's classes as the teacher does; w m_y is SAKE's semantic term, if there is a file for it.
    L_da     mean over sketches and photos of KL(softmax(eps) || softmax(f)), eps ~ N(0, 1)^d: both modalities are
             drawn to one Gaussian, so that the gallery falls into clusters that sketches find too.

u are seen-class logits, z the K logits of student and teacher, f the embedding before normalisation. Training follows
the authors' released code, with its weights as defaults: kd 1, align 0.1, tau 1, w 0.3 (on TU-Berlin; no file on
Sketchy). The retrieval that the method is named after is `sketchray.ranking`'s ``cluster``, on any encoder. Ours: the
cosine classifier as the default beside the authors' linear one, and eps as a function of (seed, step, sample).

Tensor legend: P photos, N sketches and photos, d embedding, K the teacher's classes.
"""

from collections.abc import Iterable, Sequence

from pydantic import Field
from torch import Tensor, nn

from sketchray.encoders import EncoderConfig
from sketchray.losses import gaussian_divergence, sample_noise, soft_cross_entropy
from sketchray.methods.base import Batch
from sketchray.methods.semantic_shift import SemanticShift
from sketchray.methods.student import StudentConfig, StudentMethod
from sketchray.methods.teacher import Teacher


class ClusterRetriConfig(StudentConfig):
    """Weights of the terms, beside what is in `StudentConfig`.

    Attributes:
        kd: weight of L_kd.
        tau_kd: temperature of both its sides.
        align: weight of L_da.
        align_warmup: steps over which that weight rises linearly to its value; 0 has it from the start.
        semantics: file of class similarities (`sketchray.data.semantics`); None leaves the semantic term out.
        semantic_weight: w.
    """

    kd: float = Field(default=1.0, ge=0)
    tau_kd: float = Field(default=1.0, gt=0)
    align: float = Field(default=0.1, ge=0)
    align_warmup: int = Field(default=0, ge=0)
    semantics: str | None = None
    semantic_weight: float = Field(default=0.3, ge=0)


class ClusterRetri(StudentMethod):
    """One student and the frozen teacher that it starts as.

    Args:
        classes: words of the C seen classes.
        encoder: the student, and without its modality shift the teacher.
        config: see `ClusterRetriConfig`.
    """

    reloadable = ("teacher.",)
    config: ClusterRetriConfig
    logits: nn.Linear

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: ClusterRetriConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config)
        self.teacher = Teacher(encoder)
        self.semantics = SemanticShift(
            config.semantics, weight=config.semantic_weight, classes=classes, n_logits=len(self.teacher.bias_K)
        )

    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Start the classifier's prototypes at the classes' centres; say whether there is a semantic term."""
        super().prepare(photos)
        self.semantics.announce()

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls``, ``kd`` and ``align``."""
        config = self.config
        student_Nd = self.student.features(batch.images, batch.is_photo)
        said_PK = self.logits(student_Nd[batch.is_photo])
        _, answer_PK = self.teacher.ask(batch.photos)
        told_PK = self.semantics(answer_PK, batch.photo_labels)
        ids = [*batch.sketch_ids, *batch.photo_ids]
        noise_Nd = sample_noise(student_Nd, ids, seed=batch.seed, step=batch.step)
        return {
            "cls": (1.0, self.class_loss(self.classifier(student_Nd), batch)),
            "kd": (config.kd, soft_cross_entropy(said_PK, told_PK, temperature=config.tau_kd)),
            "align": (self._align_weight(batch.step), gaussian_divergence(student_Nd, noise_Nd)),
        }

    def _align_weight(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self.config.align_warmup) if self.config.align_warmup else 1.0
        return rise * self.config.align
