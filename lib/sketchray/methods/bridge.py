"""Bridge: the baseline's cross-entropy, and a contrast of what retrieval compares. Ours, in no paper.

    L = L_cls + contrast * L_con

    L_cls    the seen class of every sketch and photo, as in `Finetune`.
    L_con    each sketch against the photos of the global batch, and each photo against the sketches.

Cross-entropy draws both modalities to a class's prototype, from different sides; the contrast closes what gap stays.
What was tried beside it, and with what result: ``benchmarks/quality.md``.

Tensor legend: B sketches, P photos, N = B + P in that order, d embedding.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from sketchray.encoders import EncoderConfig
from sketchray.losses import modality_contrast
from sketchray.methods.base import Batch
from sketchray.methods.student import StudentConfig, StudentMethod


class BridgeConfig(StudentConfig):
    """Weight and temperature of the contrast, beside those of `StudentConfig`.

    Attributes:
        contrast: weight of L_con.
        tau_contrast: its temperature.
    """

    contrast: float = Field(default=1.0, ge=0)
    tau_contrast: float = Field(default=0.1, gt=0)


class Bridge(StudentMethod):
    """The student alone, on any backbone.

    Args:
        classes: words of the C seen classes.
        encoder: the student.
        config: see `BridgeConfig`.
    """

    config: BridgeConfig

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: BridgeConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config, distils=False)

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls`` and ``con``."""
        student_Nd = self.student.features(batch.images, batch.is_photo)
        unit_Nd, sketches = F.normalize(student_Nd, dim=1), len(batch.sketches)
        con = modality_contrast(
            unit_Nd[:sketches],
            unit_Nd[sketches:],
            batch.sketch_labels,
            batch.photo_labels,
            temperature=self.config.tau_contrast,
        )
        return {
            "cls": (1.0, self.class_loss(self.classifier(student_Nd), batch)),
            "con": (self.config.contrast, con),
        }
