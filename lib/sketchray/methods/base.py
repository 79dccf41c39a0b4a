"""What a training method is: the networks it owns, what one step computes, what happens around steps.

The training job knows no method by name, and a method knows nothing of the job: it runs in a plain loop, on any device.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sketchray.data.multicrop import MultiCropConfig
from sketchray.data.samples import Modality
from sketchray.encoders import Encoder

UNLABELLED = -1


@dataclass(frozen=True)
class Batch:
    """One step's samples on one rank: two independent draws, one of each modality, as many rows on every rank.

    Attributes:
        sketches: uint8 (B, 3, H, W).
        sketch_labels: int64 (B,), places in the list of seen classes; -1 where a sample has none.
        sketch_ids: B sample ids.
        photos: uint8 (P, 3, H, W).
        photo_labels: int64 (P,).
        photo_ids: P sample ids.
        sketch_crops: for a method with `Method.crops`: uint8 (B, Vg, 3, S, S), its global views, of which the first is
            in `sketches` too, and (B, Vl, 3, s, s), its local ones, where there are any.
        photo_crops: the same of photos.
        step: the global step.
        seed: of the run; a method's own randomness is a function of (seed, step, sample id).
    """

    sketches: Tensor
    sketch_labels: Tensor
    sketch_ids: list[str]
    photos: Tensor
    photo_labels: Tensor
    photo_ids: list[str]
    step: int = 0
    seed: int = 0
    sketch_crops: tuple[Tensor, ...] = ()
    photo_crops: tuple[Tensor, ...] = ()

    @property
    def images(self) -> Tensor:
        """Sketches, then photos: uint8 (B + P, 3, H, W)."""
        return torch.cat([self.sketches, self.photos])

    @property
    def labels(self) -> Tensor:
        """Labels in the order of `images`."""
        return torch.cat([self.sketch_labels, self.photo_labels])

    @property
    def is_photo(self) -> Tensor:
        """Bool (B + P,), in the order of `images`."""
        return torch.arange(len(self.labels), device=self.labels.device) >= len(self.sketches)


class CleanSamples(Protocol):
    """Reads this rank's share of every training sample of a modality, as evaluation would see it."""

    def __call__(self, modality: Modality) -> Iterator[tuple[Tensor, list[str]]]:
        """Yield (images uint8 (B, 3, H, W), their B sample ids); every sample comes once, on one of the ranks."""


def first_images(samples: CleanSamples, modality: Modality, *, most: int) -> Iterator[Tensor]:
    """Yield this rank's first images of a modality in their batches, ``most`` in all, and read no further."""
    left = most
    for images_B3HW, _ in samples(modality):
        yield images_B3HW[:left]
        left -= len(images_B3HW[:left])
        if left <= 0:
            return


class Method(nn.Module, ABC):
    """A training method: the module that DistributedDataParallel wraps.

    A loop calls, in this order: `prepare` once before step 0; then for each step `start_epoch` if one starts, and
    `sketchray.methods.fitting.train_step`, which calls `forward`, the optimisers and `after_step`; at last `finish`.
    Precision and micro-batches are not its business: within a step its encoders take their batches as the run's
    `sketchray.methods.compute.ComputeConfig` says.

    Attributes:
        reloadable: name prefixes of frozen weights that construction brings back; checkpoints leave them out.
        needs_labels: whether it learns from class names; without, the job hides them from it (every label is -1).
    """

    reloadable: tuple[str, ...] = ()
    needs_labels: ClassVar[bool] = True

    @property
    @abstractmethod
    def encoder(self) -> Encoder:
        """The network that ships."""

    @property
    def crops(self) -> MultiCropConfig | None:
        """The views of each sample that it learns from, instead of the run's own augmentation; None for one picture."""
        return None

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the step's scalar terms by name; ``loss`` is their weighted sum, the one to minimise.

        Each is a mean over this rank's rows, such that the mean over ranks is the value on the global batch. Every
        trainable parameter takes part in ``loss``.
        """

    @abstractmethod
    def optimizers(self, total_steps: int) -> dict[str, Optimizer]:
        """Return fresh optimisers by name, at their peak learning rates.

        Args:
            total_steps: of the whole run.
        """

    def lr_factor(self, step: int, total_steps: int) -> float:
        """Return what multiplies every peak learning rate at a step: here half a cosine down to zero."""
        return 0.5 * (1 + math.cos(math.pi * step / max(1, total_steps)))

    def begin_from(self, encoder: Encoder) -> None:
        """Start from a trained encoder instead of the pretrained backbone; called before `prepare`, if at all.

        Raises:
            ValueError: it is of another configuration.
        """
        for own in self.starting():
            theirs, mine = (one.config.model_dump(exclude={"weights"}) for one in (encoder, own))
            if theirs != mine:
                raise ValueError(f"start: that encoder is {encoder.config}, and the one to train is {own.config}")
            own.load_state_dict(encoder.state_dict())

    @abstractmethod
    def starting(self) -> Iterable[Encoder]:
        """Return the encoders that a run may start from a trained one: the student, and what follows it."""

    def prepare(self, photos: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Learn from photos of the seen classes before step 0.

        Args:
            photos: this rank's share, as (images uint8 (B, 3, H, W), labels int64 (B,)); sums go over all ranks.
        """

    def start_epoch(self, epoch: int, samples: CleanSamples) -> None:
        """Do what belongs before an epoch's first step (clustering); what it leaves behind is part of the state.

        Args:
            epoch: from 0.
            samples: the training samples; reading them costs as much as an epoch, so only who needs them does.
        """

    def resting(self, step: int) -> frozenset[str]:  # noqa: ARG002 - for methods with phases
        """Return the names of the optimisers that do not step at this step."""
        return frozenset()

    def after_step(self, step: int) -> None:
        """Do what belongs after an optimiser step (moving averages)."""

    def finish(self, samples: CleanSamples) -> None:
        """Do what belongs after the last step, before `encoder` ships; all ranks call.

        Args:
            samples: the training samples.
        """
