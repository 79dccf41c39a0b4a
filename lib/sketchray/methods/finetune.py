"""Finetune: the baseline without a teacher. Cross-entropy over the seen classes on sketches and photos.

    L = L_cls = CE(u, y)

What a distilling method is worth is what it adds to this one, which has its classifier, its optimiser and its start.
"""

from collections.abc import Sequence

from torch import Tensor

from sketchray.encoders import EncoderConfig
from sketchray.methods.base import Batch
from sketchray.methods.student import StudentConfig, StudentMethod


class FinetuneConfig(StudentConfig):
    """Nothing beside what every student has."""


class Finetune(StudentMethod):
    """The student alone, on any backbone: one without a classifier of its own too.

    Args:
        classes: words of the C seen classes.
        encoder: the student.
        config: see `StudentConfig`.
    """

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: FinetuneConfig) -> None:
        super().__init__(classes=classes, encoder=encoder, config=config, distils=False)

    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return ``cls``."""
        student_Nd = self.student.features(batch.images, batch.is_photo)
        return {"cls": (1.0, self.class_loss(self.classifier(student_Nd), batch))}
