"""Configuration of a training run, and what it builds: the method and the two streams."""

from typing import Any, Literal

import torch
from pydantic import Field

from jobs._streams import StreamConfig
from jobs._tracking_config import TrackingConfig
from jobs._train_resources import Resources
from sketchray.config import Config, ConfigError, digest
from sketchray.data.multicrop import MultiCropConfig
from sketchray.data.reading import DataConfig
from sketchray.data.samples import Modality
from sketchray.data.transforms import AugmentConfig
from sketchray.encoders import EncoderConfig, load_encoder
from sketchray.methods import Method, create_method
from sketchray.methods.compute import ComputeConfig

CRITERION = "val/map@all[plain]"  # the evaluator's first metric, as `jobs._validation.Validator` names it


class TrainConfig(Config):
    """A training run. Everything here but ``data`` and ``resources``, with the data's fingerprint, names the run.

    Attributes:
        method: ``{name: ..., and the method's own configuration}``.
        encoder: the student.
        start: a trained encoder of that configuration to begin with (a package, or a name of `sketchray.zoo`); None
            begins with the backbone's published weights.
        augment: training augmentation of both modalities.
        steps: optimiser steps in all.
        steps_per_epoch: steps between two calls of the method's ``start_epoch``.
        checkpoint_every: steps between two checkpoints.
        sketch_batch: sketches in a global step.
        photo_batch: photos in a global step.
        prepare_per_class: photos of each class that the method sees before step 0 (RPKD's class centres).
        validate_per_class: at every checkpoint so many sketches and photos of each held-out class (``data.held_out``)
            are embedded and measured; 0 for none. The encoder is measured as it is then: what its method does after
            the last step, such as subtracting means (``method.centre_samples``), would cost many more pictures.
        calibrate_per_class: after the last step so many sketches and photos of each held-out class say what a
            similarity is worth (`Calibration`), where classes are held out; 0 for none.
        ship: the encoder of the last step, or that of the checkpoint with the best retrieval among the held-out
            classes, which needs ``validate_per_class``.
        seed: of initialisation, order and augmentation.
        compute: how a step is computed. Of it only what changes numbers by more than rounding is in the run's name.
        tracking: curves and pictures of the run; no part of its name either.
        data: where the samples are; only their ``seen`` rows are trained on, only ``val`` rows are measured.
        resources: what the run takes of the cluster.
    """

    data: DataConfig = DataConfig()
    resources: Resources = Resources()
    method: dict[str, Any] = Field(default={"name": "rpkd"})
    encoder: EncoderConfig = EncoderConfig()
    start: str | None = None
    augment: AugmentConfig = AugmentConfig()
    steps: int = 300
    steps_per_epoch: int = 50
    checkpoint_every: int = 50
    sketch_batch: int = 24
    photo_batch: int = 24
    prepare_per_class: int = 20
    validate_per_class: int = Field(default=0, ge=0)
    calibrate_per_class: int = Field(default=50, ge=0)
    ship: Literal["last", "best"] = "last"
    seed: int = 0
    compute: ComputeConfig = ComputeConfig()
    tracking: TrackingConfig = TrackingConfig()

    def run_id(self, fingerprint: str, *, calibration: str | None = None) -> str:
        """Name the run: the same arguments on the same data give the same name, on any number of workers.

        Args:
            fingerprint: of the training data.
            calibration: of the calibration set, None without one.
        """
        # A run that does without what is newer, as validation, has the name that it had before there was that.
        apart = {"data", "resources", "calibrate_per_class", "compute", "tracking"}
        apart |= set() if self.validate_per_class else {"validate_per_class"}
        apart |= set() if self.ship == "best" else {"ship"}
        apart |= set() if self.start else {"start"}
        data = {"data": fingerprint} | ({"calibration": calibration} if calibration else {})
        compute = {"compute": self.compute.identity()} if self.compute.identity() else {}
        described = self.model_dump(mode="json", exclude=apart)
        if not self.encoder.sketch_norms:
            del described["encoder"]["sketch_norms"]
        return digest(described | data | compute)

    @property
    def criterion(self) -> str | None:
        """What tells the best checkpoint: retrieval on held-out seen classes; None for a run that does not validate."""
        return CRITERION if self.validate_per_class else None

    def check(self) -> None:
        """Refuse what no worker could do.

        Raises:
            ConfigError: what resources or tracking cannot be, or there is no criterion to ship the best by.
        """
        self.tracking.check()
        self.resources.check(sketch_batch=self.sketch_batch, photo_batch=self.photo_batch)
        if self.ship == "best" and self.criterion is None:
            raise ConfigError("ship=best needs validate_per_class above 0 and data.held_out: what says which is best")

    def create(self, classes: list[str]) -> Method:
        """Build the method for these seen classes, the same on every worker.

        Raises:
            ValueError: unknown method or an option it does not have.
        """
        torch.manual_seed(self.seed)
        options = dict(self.method)
        method = create_method(options.pop("name", ""), classes=classes, encoder=self.encoder, **options)
        if self.start:
            method.begin_from(load_encoder(self.start))
        return self.compute.placed(method)

    def stream(
        self, modality: Modality, *, augmented: bool = True, crops: MultiCropConfig | None = None
    ) -> StreamConfig:
        """Describe one modality's stream; ``crops`` are the method's own views (`Method.crops`)."""
        return StreamConfig.model_validate(
            {
                "modality": modality,
                "batch_size": self.sketch_batch if modality == "sketch" else self.photo_batch,
                "image_size": self.encoder.image_size,
                "augment": self.augment if augmented else None,
                "seed": self.seed,
                "crops": crops,
            }
        )
