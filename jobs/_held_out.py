"""Embed held-out samples inside the workers of a training run, without a trace in the training.

Tensor legend: B samples of a batch, N all of them, D embedding.
"""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from jobs import _streams as streams
from jobs._train_config import TrainConfig
from jobs._train_data import Tables
from sketchray.data.samples import Modality
from sketchray.encoders import Encoder


class Embedded(NamedTuple):
    """Samples as an encoder sees them: unit rows, and the name of each one's class."""

    vectors_ND: npt.NDArray[np.float32]
    classes: list[str]


class HeldOut:
    """Sketches and photos of held-out classes; each rank embeds its share of them.

    The pictures are read once and kept as bytes, 48 KiB a sample at 128 px.

    Args:
        fit: the run.
        tables: rows by modality; the labels are places in any list of the held-out classes.
        rank: this worker.
        world_size: number of workers.
    """

    def __init__(self, fit: TrainConfig, tables: Tables, *, rank: int, world_size: int) -> None:
        self._fit, self._tables = fit, tables
        self._rank, self._world_size = rank, world_size
        self._kept: dict[Modality, list[tuple[Tensor, list[str]]]] = {}
        self._shares: dict[Modality, Embedded] = {}

    def embed(self, encoder: Encoder, device: torch.device) -> dict[Modality, Embedded]:
        """Return all ranks' samples by modality; all ranks call.

        The encoder comes back in the mode it was in, and no random number is drawn: training goes on as without it.
        """
        with resting(encoder), torch.no_grad():
            self._shares = {modality: self._embed(encoder, modality, device) for modality in self._tables}
        return {modality: self._gather(share) for modality, share in self._shares.items()}

    def own(self, modality: Modality) -> tuple[Tensor, Embedded]:
        """Return this rank's pictures, uint8 (N, 3, S, S), and how the encoder saw them when it was asked last."""
        return torch.cat([images for images, _ in self._kept[modality]]), self._shares[modality]

    def _embed(self, encoder: Encoder, modality: Modality, device: torch.device) -> Embedded:
        vectors, classes = [np.empty((0, encoder.dim), np.float32)], list[str]()
        for images, names in self._pictures(modality):
            photo_B = torch.full((len(images),), modality == "photo", device=device)
            vectors.append(encoder(images.to(device), photo_B).float().cpu().numpy())
            classes += names
        return Embedded(np.concatenate(vectors), classes)

    def _pictures(self, modality: Modality) -> list[tuple[Tensor, list[str]]]:
        if modality not in self._kept:
            batches = streams.every_sample(
                self._tables[modality],
                self._fit.stream(modality, augmented=False),
                rank=self._rank,
                world_size=self._world_size,
                resources=self._fit.resources.decode,
            )
            # What could not be read was replaced by a neighbour, which is there already.
            readable = ((batch, ~batch["unreadable"]) for batch in batches)
            self._kept[modality] = [
                (torch.tensor(batch["image"][good]), [str(label) for label in batch["label"][good]])
                for batch, good in readable
                if good.any()
            ]
        return self._kept[modality]

    def _gather(self, share: Embedded) -> Embedded:
        if self._world_size == 1:
            return share
        parts: list[Embedded | None] = [None] * self._world_size
        dist.all_gather_object(parts, share)
        whole = [part for part in parts if part is not None]
        return Embedded(np.concatenate([p.vectors_ND for p in whole]), [name for p in whole for name in p.classes])


@contextlib.contextmanager
def resting(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and afterwards each of its modules back into the mode it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
