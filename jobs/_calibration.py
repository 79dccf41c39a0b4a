"""Calibrate a trained encoder on held-out seen classes, inside the workers of its training run."""

import torch

from jobs._card_calibration import Outcome
from jobs._held_out import HeldOut
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData
from sketchray.encoders import Encoder
from sketchray.evaluation.calibration import calibrate


def calibrate_encoder(
    encoder: Encoder, fit: TrainConfig, data: TrainData, *, rank: int, world_size: int, device: torch.device
) -> Outcome:
    """Return the encoder's calibration and its reliability, or why it has none; all ranks call, rank 0 gets it.

    Args:
        encoder: after the last step.
        fit: the run.
        data: what it reads.
        rank: this worker.
        world_size: number of workers.
        device: where the encoder is.
    """
    if not data.calibration:
        return data.calibrated_on
    embedded = HeldOut(fit, data.calibration, rank=rank, world_size=world_size).embed(encoder, device)
    if rank:
        return "rank 0 has it"
    (sketch_ND, sketch_classes), (photo_ND, photo_classes) = embedded["sketch"], embedded["photo"]
    name, words = encoder.fingerprint, data.calibrated_on
    try:
        return calibrate(sketch_ND, sketch_classes, photo_ND, photo_classes, encoder=name, data=words)
    except ValueError as error:  # too few readable samples, say: that is no reason to lose the encoder
        return f"none could be made of {words}: {error}"
