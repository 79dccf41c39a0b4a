"""What all sketches have in common, and all photos, taken out of a trained encoder. Ours, in none of the papers.

An encoder sees first that a picture is a drawing, and then what it shows: the mean feature of sketches lies apart from
that of photos, also for classes that it never saw. The mean of each modality's training samples is subtracted from
every feature of that modality, as the shift that the encoder has for it anyway (`Encoder.modality_bias`). So the
package is like any other, and no query, gallery or label is looked at.

Tensor legend: M the two modalities (0 sketches, 1 photos), B samples of a batch, D backbone features.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from sketchray.data.samples import Modality
from sketchray.encoders import Encoder
from sketchray.methods.base import CleanSamples, first_images
from sketchray.methods.ranks import share_of

MODALITIES: tuple[Modality, Modality] = ("sketch", "photo")


def subtract_modality_means(encoder: Encoder, samples: CleanSamples, *, most: int) -> None:
    """Set an encoder's shifts so that the mean feature of each modality's training samples becomes zero.

    Whatever the shifts were before is lost in the new ones. All ranks call, and all get the same.

    Args:
        encoder: with shifts (`EncoderConfig.modality_bias`).
        samples: the training samples.
        most: samples of each modality to look at, over all ranks.

    Raises:
        ValueError: the encoder has no shifts, or there are no samples.
    """
    need_shifts(encoder).data.copy_(-modality_means(encoder, samples, most=most))


def need_shifts(encoder: Encoder) -> Tensor:
    """Return the shifts of an encoder that is to be centred, (M, D).

    Raises:
        ValueError: it has none.
    """
    if encoder.modality_bias is None:
        raise ValueError(
            "method.centre_samples: this encoder has no shift of its modalities to subtract their means with: "
            "encoder.modality_bias is false, or the backbone is told the modality itself"
        )
    return encoder.modality_bias


@torch.no_grad()
def modality_means(encoder: Encoder, samples: CleanSamples, *, most: int) -> Tensor:
    """Return the mean backbone feature of each modality over the samples of all ranks; arguments as above.

    Returns:
        means_MD: float64.

    Raises:
        ValueError: a modality has no samples on any rank.
    """
    device = next(encoder.parameters()).device
    sums_MD = torch.zeros(len(MODALITIES), encoder.backbone.dim, dtype=torch.float64, device=device)
    counts_M = torch.zeros(len(MODALITIES), dtype=torch.float64, device=device)
    for row, modality in enumerate(MODALITIES):
        for images_B3HW in first_images(samples, modality, most=share_of(most)):
            photo_B = torch.full((len(images_B3HW),), modality == "photo", device=images_B3HW.device)
            f_BD = encoder.pooled(images_B3HW, photo_B)
            sums_MD[row] += f_BD.double().sum(dim=0)
            counts_M[row] += len(f_BD)
    if dist.is_initialized():
        for total in (sums_MD, counts_M):
            dist.all_reduce(total)
    if not counts_M.all():
        raise ValueError(f"there is not one {MODALITIES[int(counts_M.argmin())]} to take the mean of")
    return sums_MD / counts_M[:, None]
