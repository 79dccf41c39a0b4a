"""How a training step is computed: precision, how much at once, memory layout, clipping, repeatability."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import Field
from torch.amp import GradScaler

from sketchray.config import Config
from sketchray.encoders import Encoder
from sketchray.encoders.passes import Passes
from sketchray.methods.base import Method

Precision = Literal["fp32", "bf16", "fp16", "fp64"]
REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


class ComputeConfig(Config):
    """How a training step is computed, of any method and on any device.

    Attributes:
        precision: of the networks' passes. With ``bf16`` and ``fp16`` weights, optimisers, losses and what is exchanged
            between ranks stay in fp32; ``fp16`` scales the loss. ``fp64`` has everything in float64, to compare runs.
        micro_batch: most pictures that a network takes at once on a worker: gradients are accumulated over parts of the
            batch. In the backward pass each part goes through the network again, so that only one has its activations
            in memory while the loss sees the whole batch: every method, also one that relates the rows of a batch,
            computes what it would without, to rounding. None for all at once.
        clip_norm: greatest norm of the gradient over all that trains; None does not clip.
        channels_last: keep the weights of convolutions, and so what runs through them, with the channels last.
        deterministic: only algorithms that give the same bits each time; an operation that has none is an error.
    """

    precision: Precision = "fp32"
    micro_batch: int | None = Field(default=None, ge=1)
    clip_norm: float | None = Field(default=None, gt=0)
    channels_last: bool = False
    deterministic: bool = False

    def identity(self) -> dict[str, object]:
        """Return what changes a run's numbers by more than rounding and is not at its default."""
        return self.model_dump(mode="json", include={"precision", "clip_norm"}, exclude_defaults=True)

    def placed(self, method: Method) -> Method:
        """Return the method, its weights changed in place to the dtype and the memory layout."""
        if self.precision == "fp64":
            method.double()
        if self.channels_last:
            method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return method

    @contextmanager
    def within(self, method: Method) -> Iterator[None]:
        """Let every encoder of the method take its batches so, until the block ends."""
        encoders = [module for module in method.modules() if isinstance(module, Encoder)]
        for encoder in encoders:
            encoder.passes = Passes(autocast=REDUCED.get(self.precision), at_once=self.micro_batch)
        try:
            yield
        finally:
            for encoder in encoders:
                encoder.passes = Passes()

    def scaler(self, device: torch.device) -> GradScaler:
        """Return what scales the loss so that small gradients survive fp16; for other precisions it does nothing."""
        return GradScaler(device.type, enabled=self.precision == "fp16")


def make_deterministic() -> None:
    """Let torch use only algorithms that give the same bits each time, in all of this process.

    Call it before anything runs on a GPU: cuBLAS reads its variable when it starts.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
