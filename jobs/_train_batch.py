"""From what the two streams deliver to the batch that a method takes."""

import numpy as np
import torch

from jobs import _streams as streams
from sketchray.methods import Batch


def to_tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return a copy on the device: Ray Data's arrays are read-only views."""
    return torch.tensor(values, device=device)


def to_batch(sketches: streams.Batch, photos: streams.Batch, *, seed: int, device: torch.device) -> Batch:
    """Join one step's rows of both streams.

    Args:
        sketches: as `jobs._streams.step_batches` yields them.
        photos: likewise.
        seed: of the run.
        device: where the tensors go.
    """
    sketch_crops, photo_crops = _crops(sketches, device), _crops(photos, device)
    return Batch(
        sketches=sketch_crops[0][:, 0] if sketch_crops else to_tensor(sketches["image"], device),
        sketch_labels=to_tensor(sketches["label"], device),
        sketch_ids=sketches["id"].tolist(),
        photos=photo_crops[0][:, 0] if photo_crops else to_tensor(photos["image"], device),
        photo_labels=to_tensor(photos["label"], device),
        photo_ids=photos["id"].tolist(),
        seed=seed,
        sketch_crops=sketch_crops,
        photo_crops=photo_crops,
    )


def _crops(rows: streams.Batch, device: torch.device) -> tuple[torch.Tensor, ...]:
    return tuple(to_tensor(rows[name], device) for name in ("globals", "locals") if name in rows)
