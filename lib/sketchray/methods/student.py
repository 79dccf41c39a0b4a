"""What methods with one student share: its heads, its optimiser, the rate over time, the average that ships.

Tensor legend: B sketches, P photos, N = B + P in that order, d embedding, C seen classes, K the teacher's classes.
"""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from sketchray.config import Config
from sketchray.encoders import Encoder, EncoderConfig
from sketchray.methods.base import Batch, CleanSamples, Method
from sketchray.methods.class_sums import class_sums
from sketchray.methods.freezing import freeze
from sketchray.methods.heads import create_classifier, logit_head
from sketchray.methods.modality_means import need_shifts, subtract_modality_means
from sketchray.methods.sketch_norms import SketchNormsConfig, adapt_sketch_norms


class StudentConfig(Config):
    """The classifier of seen classes and the optimiser.

    Attributes:
        classifier: ``cosine`` to a prototype of each class, or ``linear`` as in the papers of SAKE's line.
        tau_cls: temperature of the cosine classifier.
        smoothing: of the labels in the cross-entropy.
        frozen_stages: of the student's backbone, from the input on, that stay as pretrained; four halve a step's time.
        optimizer: ``adamw`` decays weights apart from the gradient, ``adam`` as a part of it (the papers).
        schedule: ``cosine`` falls to 0 over half a cosine, ``exponential`` to a thousandth (the papers).
        lr: peak learning rate of the student.
        head_lr: of the heads that do not ship.
        weight_decay: of all that trains.
        warmup: steps to reach the peak; 1 is none.
        ema: decay of the average of weights that ships; 0 ships the last weights.
        frozen_filters: the student's depthwise filters stay as pretrained too (ours). Their gradient is more than half
            of a step's time on a CPU.
        centre_samples: so many training samples of each modality say what its mean feature is, which the encoder that
            ships subtracts (ours, see `subtract_modality_means`); 0 leaves it as trained.
        norms: how those of ``encoder.sketch_norms`` start, where the encoder has them (ours).
    """

    classifier: Literal["cosine", "linear"] = "cosine"
    tau_cls: float = Field(default=0.05, gt=0)
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    frozen_stages: int = Field(default=4, ge=0)
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["cosine", "exponential"] = "cosine"
    lr: float = Field(default=2e-4, gt=0)
    head_lr: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: int = Field(default=10, ge=1)
    ema: float = Field(default=0.0, ge=0, lt=1)
    frozen_filters: bool = False
    centre_samples: int = Field(default=0, ge=0)
    norms: SketchNormsConfig = SketchNormsConfig()


class StudentMethod(Method):
    """A method that trains one encoder with a classifier of the seen classes and, where it distils, a second head.

    Args:
        classes: words of the C seen classes.
        encoder: the student.
        config: see `StudentConfig`.
        distils: give the student a head to its backbone's own K classes.

    Raises:
        ValueError: it distils, and the backbone has no classifier; ``centre_samples`` without the encoder's shifts.
    """

    config: StudentConfig

    def __init__(
        self, *, classes: Sequence[str], encoder: EncoderConfig, config: StudentConfig, distils: bool = True
    ) -> None:
        super().__init__()
        self.config = config
        self.student = Encoder(encoder)
        if config.centre_samples:
            need_shifts(self.student)
        freeze(self.student.backbone, stages=config.frozen_stages, filters=config.frozen_filters)
        self.classifier = create_classifier(
            config.classifier, self.student.dim, len(classes), temperature=config.tau_cls
        )
        self.logits = logit_head(self.student) if distils else None
        self.average = copy.deepcopy(self.student).requires_grad_(False) if config.ema else None

    @property
    def encoder(self) -> Encoder:
        """The student, or its moving average."""
        return self.average or self.student

    def starting(self) -> list[Encoder]:
        """Return the student, and its average if there is one."""
        return [self.student] if self.average is None else [self.student, self.average]

    @torch.no_grad()
    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Start a cosine classifier's prototypes at the centres of the classes' photos, where there are any."""
        if self.config.classifier == "cosine":
            start_Cd = self.classifier.prototypes_Cd
            rows = ((self.student(x_B3HW, torch.ones_like(y_B, dtype=torch.bool)), y_B) for x_B3HW, y_B in photos)
            sums_Cd, count_C = class_sums(rows, torch.zeros_like(start_Cd))
            start_Cd.copy_(torch.where(count_C[:, None] > 0, F.normalize(sums_Cd, dim=1), start_Cd))

    def start_epoch(self, epoch: int, samples: CleanSamples) -> None:
        """Before the first, measure the statistics of the sketches' own norms, where the encoder has them."""
        if epoch == 0:
            adapt_sketch_norms(self.starting(), samples, self.config.norms)

    @abstractmethod
    def terms(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Return each term's weight and its unweighted mean over this rank's rows."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms, unweighted, and ``loss``, their weighted sum."""
        terms = self.terms(batch)
        loss = torch.stack([weight * term for weight, term in terms.values()]).sum()
        return {"loss": loss, **{name: term for name, (_, term) in terms.items()}}

    def class_loss(self, seen_NC: Tensor, batch: Batch) -> Tensor:
        """Return L_cls = CE(u, y) over sketches and photos, from the classifier's logits."""
        return F.cross_entropy(seen_NC, batch.labels, label_smoothing=self.config.smoothing)

    def optimizers(self, total_steps: int) -> dict[str, Optimizer]:  # noqa: ARG002 - others plan over it
        """Return one optimiser, with a rate for the student and one for its heads."""
        heads = [p for head in (self.classifier, self.logits) if head is not None for p in head.parameters()]
        student = [p for p in self.student.parameters() if p.requires_grad]
        groups = [{"params": student, "lr": self.config.lr}, {"params": heads, "lr": self.config.head_lr}]
        return {"student": self.optimizer(groups)}

    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        """Return an optimiser of the configured kind over parameter groups that have their own rates."""
        kind = Adam if self.config.optimizer == "adam" else AdamW
        return kind(groups, weight_decay=self.config.weight_decay)

    def lr_factor(self, step: int, total_steps: int) -> float:
        """Rise linearly over the warm-up, under the schedule."""
        rise = min(1.0, (step + 1) / self.config.warmup)
        if self.config.schedule == "cosine":
            return rise * super().lr_factor(step, total_steps)
        return rise * float(0.001 ** (step / max(1, total_steps)))

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the average towards the student, faster in the first steps."""
        if self.average is not None:
            decay = min(self.config.ema, (1 + step) / (10 + step))
            for mean, value in zip(self.average.parameters(), self.student.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)

    def finish(self, samples: CleanSamples) -> None:
        """Take the modalities' means out of the encoder that ships, where that is asked for."""
        if self.config.centre_samples:
            subtract_modality_means(self.encoder, samples, most=self.config.centre_samples)
