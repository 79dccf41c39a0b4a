"""The encoder: sketches and photographs to unit vectors in one space."""

import hashlib
import json
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from sketchray.calibration import Calibration
from sketchray.config import Config
from sketchray.data.raster import RASTER_VERSION
from sketchray.encoders.backbones import create_backbone
from sketchray.encoders.modality_norm import give_sketch_norms, modalities
from sketchray.encoders.passes import Passes


class EncoderConfig(Config):
    """What an encoder is. All but ``weights`` is part of the fingerprint, which knows the weights themselves.

    Attributes:
        backbone: one of `list_backbones()`.
        dim: width of the embedding, from the SVD of the backbone's classifier; None keeps the backbone's features.
        image_size: side of the square input, pixels.
        raster_version: of the canonical sketch raster it was made for.
        modality_bias: learn a shift of the features for each modality. A conditional backbone, which is told the
            modality itself, gets none.
        sketch_norms: the backbone's batch norms have statistics, scales and shifts of their own for sketches
            (`ModalityNorm`).
        weights: where the backbone's published weights are, unless it brings them: a local file or folder, or a hub's
            name. Not looked at when an encoder is read from its package.
        architecture: sizes of a backbone that are not the published ones. An encoder built from weights notes those of
            its weights here, so that its package can be read without them.
    """

    backbone: str = "efficientnet_lite0"
    dim: int | None = Field(default=512, ge=1)
    image_size: int = Field(default=128, ge=16, le=1024)
    raster_version: int = RASTER_VERSION
    modality_bias: bool = True
    sketch_norms: bool = False
    weights: str | None = None
    architecture: dict[str, Any] | None = None


class Encoder(nn.Module):
    """A backbone, a shift for each modality, and a linear embedding.

    The embedding starts as the best rank-d factorisation of the backbone's own classifier, W = U S V^T: the layer is
    S_d V_d^T, and U_d is the head that then gives the classifier's logits (SAKE, ICCV 2019, as released). The shifts
    start at zero, so that an untrained encoder is the backbone.

    Args:
        config: what to build; ``self.config`` is what was built.
        pretrained: start from the backbone's published weights; False when a checkpoint follows.

    Attributes:
        passes: how `features` takes a batch; a training step changes it for as long as it lasts.
        calibration: from cosine similarity to the probability of relevance, where there is one. It is no part of the
            fingerprint: the embeddings are the same with and without it.

    Raises:
        ValueError: unknown backbone or unusable weights; with ``dim``, no classifier or one of a lower rank; with
            ``sketch_norms``, no batch norms.
    """

    def __init__(self, config: EncoderConfig, *, pretrained: bool = True) -> None:
        super().__init__()
        self.calibration: Calibration | None = None
        self.passes = Passes()
        self.backbone = create_backbone(
            config.backbone, pretrained=pretrained, weights=config.weights, architecture=config.architecture
        )
        if config.sketch_norms:
            give_sketch_norms(self.backbone)
        modality_bias = config.modality_bias and not self.backbone.conditional
        built = {"architecture": self.backbone.architecture, "modality_bias": modality_bias}
        self.config = config.model_copy(update=built)
        features = self.backbone.dim
        self.dim = config.dim or features
        # Row 0 belongs to sketches, row 1 to photos.
        self.modality_bias = nn.Parameter(torch.zeros(2, features)) if modality_bias else None
        self.embed: nn.Module = nn.Identity()
        if config.dim is not None:
            self.embed = nn.Linear(features, config.dim, bias=False)
            if pretrained:
                embed_dD, _ = factorise(self.backbone.classifier()[0], config.dim)
                self.embed.weight.data.copy_(embed_dD)
        self.eval()

    def features(self, images_B3HW: Tensor, photo_B: Tensor) -> Tensor:
        """Return embeddings before normalisation.

        Args:
            images_B3HW: uint8 RGB, or 0 to 255 of any float dtype.
            photo_B: True for a photo, False for a sketch.

        Returns:
            z_Bd: embeddings of the parameters' dtype.
        """
        return self.passes(self._features, images_B3HW, photo_B, dtype=next(self.parameters()).dtype)

    def _features(self, images_B3HW: Tensor, photo_B: Tensor) -> Tensor:
        f_BD = self.pooled(images_B3HW, photo_B)
        if self.modality_bias is not None:
            f_BD = f_BD + self.modality_bias[photo_B.long()]
        z_Bd: Tensor = self.embed(f_BD)
        return z_Bd

    def pooled(self, images_B3HW: Tensor, photo_B: Tensor) -> Tensor:
        """Return the backbone's own features f_BD, without the modality's shift; arguments as `features`."""
        pixels_B3HW = self.backbone.normalise(images_B3HW.to(next(self.parameters()).dtype))
        with modalities(photo_B):
            f_BD: Tensor = self.backbone(pixels_B3HW, photo_B)
        return f_BD

    def local_features(self, images_B3HW: Tensor, photo_B: Tensor) -> Tensor:
        """Return what places of the images bring to the embedding; arguments as `features`.

        The shift of the modality and the embedding are linear, so they are applied at each place.

        Returns:
            z_Bdhw: of the parameters' dtype; the mean over the places is what `features` returns, to rounding.
        """
        pixels_B3HW = self.backbone.normalise(images_B3HW.to(next(self.parameters()).dtype))
        with modalities(photo_B):
            f_BDhw = self.backbone.feature_map(pixels_B3HW, photo_B)
        if self.modality_bias is not None:
            f_BDhw = f_BDhw + self.modality_bias[photo_B.long(), :, None, None]
        z_Bdhw: Tensor = self.embed(f_BDhw.movedim(1, -1)).movedim(-1, 1)
        return z_Bdhw

    def forward(self, images_B3HW: Tensor, photo_B: Tensor) -> Tensor:
        """Return unit vectors; their dot product is the score of a sketch and a photo. Arguments as `features`."""
        return F.normalize(self.features(images_B3HW, photo_B), dim=1)

    @property
    def fingerprint(self) -> str:
        """32 hex digits over weights and preprocessing: equal exactly when the encoders embed alike. Not cached."""
        described = self.config.model_dump(mode="json", exclude={"weights"})
        for later, absent in (("architecture", None), ("sketch_norms", False)):
            if described[later] == absent:  # so that encoders from before this field keep their fingerprint
                del described[later]
        described |= {"mean": self.backbone.mean, "std": self.backbone.std}
        hashed = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            hashed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return hashed.hexdigest()[:32]


def factorise(classifier_KD: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Split a classifier into an embedding and a head whose product is its best approximation of that rank.

    Args:
        classifier_KD: weights of K classes on D features.
        dim: width d of the embedding.

    Returns:
        embed_dD: S_d V_d^T.
        head_Kd: U_d.

    Raises:
        ValueError: ``dim`` is above min(K, D).
    """
    rank = min(classifier_KD.shape)
    if dim > rank:
        raise ValueError(f"an embedding of {dim} dimensions is above the rank {rank} of the backbone's classifier")
    # In float64, and with the sign fixed that is otherwise free: so that every rank and every machine, on any number of
    # threads, starts from the same embedding.
    u_KR, s_R, vt_RD = torch.linalg.svd(classifier_KD.double(), full_matrices=False)
    largest_R = vt_RD.abs().argmax(dim=1, keepdim=True)
    sign_R = vt_RD.gather(1, largest_R).sign().squeeze(1)
    embed_dD, head_Kd = (sign_R * s_R)[:dim, None] * vt_RD[:dim], u_KR[:, :dim] * sign_R[:dim]
    return embed_dD.to(classifier_KD.dtype), head_Kd.to(classifier_KD.dtype)
