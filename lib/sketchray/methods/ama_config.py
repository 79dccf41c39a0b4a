"""Configuration of AMA; the defaults are its released code's, for Sketchy at 224 pixels on DINO's ViT-B/16."""

from typing import Literal

from pydantic import Field

from sketchray.config import Config
from sketchray.data.multicrop import MultiCropConfig
from sketchray.methods.sketch_norms import SketchNormsConfig


class HeadConfig(Config):
    """DINO's projection head.

    Attributes:
        hidden: width of its two hidden layers.
        bottleneck: width of the unit vector before the last layer.
        outputs: K; small data needs few, since each must be somebody's answer.
    """

    hidden: int = Field(default=2048, ge=1)
    bottleneck: int = Field(default=256, ge=1)
    outputs: int = Field(default=65536, ge=2)


class AMAConfig(Config):
    """Weights, temperatures, schedule, clusters and the optimiser. Small runs scale what is stated in steps.

    Attributes:
        crops: the views of each sample.
        head: of student and teacher.
        sketch: weight of the sketches' self-distillation.
        photo: weight of the photos'.
        contrast: weight of the cluster contrast of both modalities, once it is full.
        guidance: weight of the similarity guidance of both.
        mutual: weight of the mutual alignment.
        contrast_from: step from which the cluster contrast rises from 0; clusters are made from the first epoch on that
            begins at or after it (or after `mutual_from`), so let it be an epoch's first step.
        contrast_full: step at which it has its whole weight.
        mutual_from: step from which similarity guidance and mutual alignment count, in the same way.
        ema_half_life: steps after which half of the teacher is younger; 693 is a decay of 0.999.
        centre: one centre of the teacher's outputs for each ``modality``, or one ``shared`` by both as released.
        centre_momentum: of its moving average.
        tau_student: temperature of the student's outputs.
        tau_teacher: of the teacher's.
        tau_contrast: of the cluster contrast and of the teacher's posterior of a cluster.
        confidence: least posterior of its own cluster with which a sample takes part in the contrast.
        tau_mutual: of the mutual alignment.
        neighbours: of a view in the similarity guidance; half of them serve the query expansion.
        granularities: clusters of each modality, from coarse to fine; two samples a cluster at least.
        cluster_samples: most samples of each modality that an epoch's clustering looks at, the first ones by id; the
            others take the nearest centroid. As released it is all of them (55,000 sketches and 68,000 photos of
            Sketchy). One worker holds the features of these (100 MB at 512 dimensions), and none those of more.
        frozen_stages: of the backbone, from the input on, that stay as pretrained.
        frozen_filters: its depthwise filters stay as pretrained too (ours, as in `StudentConfig`).
        centre_samples: so many training samples of each modality say what its mean feature is, which the encoder that
            ships subtracts (ours, see `subtract_modality_means`; no label is asked for); 0 leaves it as trained.
        norms: how those of ``encoder.sketch_norms`` start, where the encoder has them (ours; no label).
        start_share: of the weights that it started from, in what ships: the mean of both forgets less of photos
            (WiSE-FT, Wortsman et al., CVPR 2022; ours here); 0 ships the teacher as it is.
        optimizer: ``sgd`` (momentum 0.9) as released, or ``adamw``.
        lr: peak learning rate of the encoder; half a cosine down to 0.
        head_lr: of the head; None for the encoder's.
        weight_decay: of all that trains.
        warmup: steps to reach the peak; 1 is none.
    """

    crops: MultiCropConfig = MultiCropConfig()
    head: HeadConfig = HeadConfig()
    sketch: float = Field(default=2.0, ge=0)
    photo: float = Field(default=1.0, ge=0)
    contrast: float = Field(default=0.5, ge=0)
    guidance: float = Field(default=0.02, ge=0)
    mutual: float = Field(default=0.1, ge=0)
    contrast_from: int = Field(default=42_760, ge=0)
    contrast_full: int = Field(default=213_800, ge=0)
    mutual_from: int = Field(default=85_520, ge=0)
    ema_half_life: float = Field(default=693.0, gt=0)
    centre: Literal["modality", "shared"] = "modality"
    centre_momentum: float = Field(default=0.9, ge=0, lt=1)
    tau_student: float = Field(default=0.1, gt=0)
    tau_teacher: float = Field(default=0.04, gt=0)
    tau_contrast: float = Field(default=0.2, gt=0)
    confidence: float = Field(default=0.2, ge=0, le=1)
    tau_mutual: float = Field(default=0.01, gt=0)
    neighbours: int = Field(default=10, ge=1)
    granularities: tuple[int, ...] = Field(default=(250, 500, 1000), min_length=1)
    cluster_samples: int = Field(default=50_000, ge=1)
    frozen_stages: int = Field(default=0, ge=0)
    frozen_filters: bool = False
    centre_samples: int = Field(default=0, ge=0)
    norms: SketchNormsConfig = SketchNormsConfig()
    start_share: float = Field(default=0.0, ge=0, lt=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=2e-4, gt=0)
    head_lr: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: int = Field(default=1, ge=1)

    def contrast_weight(self, step: int) -> float:
        """Return the weight of the cluster contrast at a step: 0, then a straight rise, then whole."""
        if step < self.contrast_from:
            return 0.0
        rise = self.contrast_full - self.contrast_from
        return self.contrast * min(1.0, (step - self.contrast_from) / rise if rise > 0 else 1.0)

    @property
    def clusters_from(self) -> float:
        """The step from which clusters are needed; infinite where no term that counts uses them."""
        needed = [(self.contrast, self.contrast_from), (self.mutual, self.mutual_from)]
        return min((step for weight, step in needed if weight), default=float("inf"))
