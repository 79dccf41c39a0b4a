"""Bridge: the baseline's cross-entropy, and a contrast of what retrieval compares. Ours, in no paper.

    L = L_cls + contrast * L_con + distil * L_dis

    L_cls    the seen class of every sketch and photo, as in `Finetune`.
    L_con    each sketch against the photos of the global batch, and each photo against the sketches.
    L_dis    photos keep answering the pretrained backbone's own classes as it does.

Cross-entropy draws both modalities to a class's prototype, from different sides; the contrast closes what gap stays.
What was tried beside it, and with what result: ``benchmarks/quality.md``.

Tensor legend: B sketches, P photos, N = B + P in that order, d embedding, K the backbone's own classes.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from sketchray.encoders import EncoderConfig
from sketchray.losses import modality_contrast, soft_cross_entropy
from sketchray.methods.base import Batch
from sketchray.methods.student import StudentConfig, StudentMethod
from sketchray.methods.teacher import Teacher


class BridgeConfig(StudentConfig):
    """Weights and the contrast's temperature, beside those of `StudentConfig`.

    Attributes:
        contrast: weight of L_con.
        tau_contrast: its temperature.
        distil: weight of L_dis; 0 needs no teacher.
    """

    contrast: float = Field(default=1.0, ge=0)
    tau_contrast: float = Field(default=0.1, gt=0)
    distil: float = Field(default=0.0, ge=0)


class Bridge(StudentMethod):
    """One student on any backbone and, where it distils, the frozen teacher that it starts as.

    Args:
        classes: words of the C seen classes.
        encoder: the student.
        config: see `BridgeConfig`.

    Raises:
        ValueError: it distils, and the backbone has no classifier.
    """

    reloadable = ("teacher.",)
    config: BridgeConfig

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: BridgeConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config, distils=config.distil > 0)
        self.teacher = Teacher(encoder) if config.distil else None

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls``, ``con`` and, where it distils, ``dis``."""
        student_Nd = self.student.features(batch.images, batch.is_photo)
        unit_Nd, sketches = F.normalize(student_Nd, dim=1), len(batch.sketches)
        con = modality_contrast(
            unit_Nd[:sketches],
            unit_Nd[sketches:],
            batch.sketch_labels,
            batch.photo_labels,
            temperature=self.config.tau_contrast,
        )
        terms = {
            "cls": (1.0, self.class_loss(self.classifier(student_Nd), batch)),
            "con": (self.config.contrast, con),
        }
        if self.teacher is not None and self.logits is not None:
            _, answer_PK = self.teacher.ask(batch.photos)
            dis = soft_cross_entropy(self.logits(student_Nd[sketches:]), answer_PK, temperature=1.0)
            terms["dis"] = (self.config.distil, dis)
        return terms
