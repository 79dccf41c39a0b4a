"""The frozen teacher: a pretrained backbone with its classifier, and what it says of whole classes."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from sketchray.encoders import Encoder, EncoderConfig


class Teacher(nn.Module):
    """What a pretrained encoder says of an image: a unit embedding, and logits of the classes it was trained on.

    The embedding is the student's at its start (same backbone, same SVD), so that both spaces have one width and
    similarities can be taken across them.

    Args:
        config: of the student.
    """

    classifier_KD: Tensor
    bias_K: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.network = Encoder(config.model_copy(update={"modality_bias": False}))
        weight_KD, bias_K = self.network.backbone.classifier()
        self.register_buffer("classifier_KD", weight_KD)
        self.register_buffer("bias_K", bias_K)
        self.requires_grad_(False)

    @torch.no_grad()
    def ask(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (unit embeddings Bd, logits BK) of uint8 images of either modality."""
        network = self.network
        dtype = self.classifier_KD.dtype
        f_BD = network.backbone((images_B3HW.to(dtype) - network.backbone.mean) / network.backbone.std)
        return F.normalize(network.embed(f_BD), dim=1), f_BD @ self.classifier_KD.T + self.bias_K

    def class_means(self, photos: Iterable[tuple[Tensor, Tensor]], n_classes: int) -> tuple[Tensor, Tensor]:
        """Return the teacher's answer to each class: means over the photos of all ranks.

        Args:
            photos: this rank's share, as (images_B3HW uint8, labels_B).
            n_classes: C.

        Returns:
            centres_Cd: the normalised mean embedding of each class.
            answers_CK: the logarithm of the class's mean probability over the teacher's classes.

        Raises:
            ValueError: a class has no photos on any rank.
        """
        weight_KD = self.classifier_KD
        sums_Cd = weight_KD.new_zeros(n_classes, self.network.dim)
        probabilities_CK = weight_KD.new_zeros(n_classes, len(weight_KD))
        count_C = weight_KD.new_zeros(n_classes)
        for images_B3HW, labels_B in photos:
            embedding_Bd, logits_BK = self.ask(images_B3HW)
            sums_Cd.index_add_(0, labels_B, embedding_Bd)
            probabilities_CK.index_add_(0, labels_B, F.softmax(logits_BK, dim=1))
            count_C.index_add_(0, labels_B, torch.ones_like(labels_B, dtype=count_C.dtype))
        if dist.is_available() and dist.is_initialized():
            for total in (sums_Cd, probabilities_CK, count_C):
                dist.all_reduce(total)
        if not count_C.all():
            missing = (count_C == 0).nonzero().flatten().tolist()
            raise ValueError(f"the teacher saw no photos of the seen classes with labels {missing}")
        return F.normalize(sums_Cd, dim=1), (probabilities_CK / count_C[:, None]).clamp(min=1e-12).log()
