"""The frozen teacher: a pretrained backbone with its classifier, and what it says of whole classes."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sketchray.encoders import Encoder, EncoderConfig, factorise
from sketchray.methods.class_sums import class_sums


class Teacher(nn.Module):
    """What a pretrained encoder says of an image: a unit embedding, and logits of the classes it was trained on.

    The embedding is the student's at its start (same backbone, same SVD), so that both spaces have one width and
    similarities can be taken across them.

    Args:
        config: of the student.

    Raises:
        ValueError: the backbone has no classifier.
    """

    classifier_KD: Tensor
    bias_K: Tensor
    embed_dD: Tensor | None

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.network = Encoder(config.model_copy(update={"modality_bias": False, "sketch_norms": False, "dim": None}))
        weight_KD, bias_K = self.network.backbone.classifier()
        self.register_buffer("classifier_KD", weight_KD)
        self.register_buffer("bias_K", bias_K)
        self.register_buffer("embed_dD", None if config.dim is None else factorise(weight_KD, config.dim)[0])
        self.dim = config.dim or self.network.dim
        self.requires_grad_(False)

    @torch.no_grad()
    def features(self, images_B3HW: Tensor) -> Tensor:
        """Return the backbone's features f_BD of uint8 images, sketches too seen as photos."""
        return self.network.features(
            images_B3HW, torch.ones(len(images_B3HW), dtype=torch.bool, device=images_B3HW.device)
        )

    @torch.no_grad()
    def ask(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return (unit embeddings Bd, logits BK) of uint8 images of either modality."""
        f_BD = self.features(images_B3HW)
        z_Bd = f_BD if self.embed_dD is None else F.linear(f_BD, self.embed_dD)
        return F.normalize(z_Bd, dim=1), f_BD @ self.classifier_KD.T + self.bias_K

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

        def answers(images_B3HW: Tensor) -> Tensor:
            embedding_Bd, logits_BK = self.ask(images_B3HW)
            return torch.cat([embedding_Bd, F.softmax(logits_BK, dim=1)], dim=1)

        rows = ((answers(images_B3HW), labels_B) for images_B3HW, labels_B in photos)
        sums_CX, count_C = class_sums(rows, self.bias_K.new_zeros(n_classes, self.dim + len(self.bias_K)))
        if not count_C.all():
            missing = (count_C == 0).nonzero().flatten().tolist()
            raise ValueError(f"the teacher saw no photos of the seen classes with labels {missing}")
        sums_Cd, probabilities_CK = sums_CX[:, : self.dim], sums_CX[:, self.dim :]
        return F.normalize(sums_Cd, dim=1), (probabilities_CK / count_C[:, None]).clamp(min=1e-12).log()
