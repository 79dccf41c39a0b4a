"""Measure the encoder at hand on held-out seen classes, inside the workers of a training run."""

import torch

from jobs._held_out import Embedded, HeldOut
from jobs._tracking import Picture
from jobs._train_config import TrainConfig
from jobs._train_data import Tables
from jobs._validation_sheet import retrieval_sheet
from sketchray.encoders import Encoder
from sketchray.evaluation import evaluate


class Validator:
    """Sketches of the held-out classes ask, their photos answer; each rank embeds its share of them.

    Args:
        fit: the run; its ``validate_per_class`` bounds the memory.
        held_out: rows by modality; the labels are places in any list of the held-out classes.
        rank: this worker.
        world_size: number of workers.
    """

    def __init__(self, fit: TrainConfig, held_out: Tables, *, rank: int, world_size: int) -> None:
        self._rank, self._samples = rank, HeldOut(fit, held_out, rank=rank, world_size=world_size)

    def measure(self, encoder: Encoder, device: torch.device) -> dict[str, float]:
        """Return the evaluator's metrics by name, each with ``val/`` before it; all ranks call, rank 0 gets them."""
        embedded = self._samples.embed(encoder, device)
        if self._rank:
            return {}
        sketches, photos = embedded["sketch"], embedded["photo"]
        evaluation = evaluate(sketches.vectors_ND, sketches.classes, photos.vectors_ND, photos.classes)
        return {f"val/{name}": value for name, value in evaluation.metrics.items()}

    def sheet(self, count: int) -> Picture:
        """Draw a sketch of each class, at most ``count``, with the photos nearest to it, as `measure` saw them last.

        Only this rank's share is on it: a part of the sketches asks a part of the photos.
        """
        sketches_N3HW, sketches = self._samples.own("sketch")
        photos_M3HW, photos = self._samples.own("photo")
        first = [sketches.classes.index(name) for name in sorted(set(sketches.classes))][:count]
        return retrieval_sheet(
            sketches_N3HW[first].numpy(),
            Embedded(sketches.vectors_ND[first], [sketches.classes[row] for row in first]),
            photos_M3HW.numpy(),
            photos,
        )
