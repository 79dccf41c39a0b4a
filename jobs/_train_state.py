"""What a training run carries over a restart, on every rank: taken from its checkpoints, and put into them."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch.distributed as dist
from torch.amp import GradScaler
from torch.optim import Optimizer

from jobs._checkpoint_writer import CheckpointWriter
from jobs._checkpoints import Checkpoint, Checkpoints, Metrics
from sketchray.methods import Method
from sketchray.methods.fitting import load_state, save_state

T = TypeVar("T")


class TrainState:
    """The networks, the optimisers and the loss scaler of a run, and where they are kept.

    Args:
        method: with its networks.
        optimizers: fresh ones of that method.
        scaler: of the loss.
        checkpoints: of this run; only rank 0 writes them.
        rank: this worker.
    """

    def __init__(
        self,
        method: Method,
        optimizers: Mapping[str, Optimizer],
        scaler: GradScaler,
        *,
        checkpoints: Checkpoints,
        rank: int,
    ) -> None:
        self._method, self._optimizers, self._scaler = method, optimizers, scaler
        self._checkpoints, self._rank = checkpoints, rank
        self._writer = CheckpointWriter(checkpoints)
        self._losses: list[Metrics] = []

    def restore(self) -> int | None:
        """Go to the newest checkpoint; return the next step to do, None where there is no checkpoint."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            found = self._said_by_rank_0(lambda: self._checkpoints.newest_whole(folder))
            if found is None:
                return None
            if self._rank:
                self._checkpoints.read(found, folder)
            return self._load(folder)

    def go_to_best(self) -> None:
        """Go to the best checkpoint; stay where there is no criterion for it."""
        found = self._said_by_rank_0(self._checkpoints.best)
        if found is not None:
            with tempfile.TemporaryDirectory() as name:
                self._checkpoints.read(found, Path(name))
                self._load(Path(name))

    def did_step(self, terms: Metrics) -> None:
        """Note a step's loss terms for the run's curve."""
        if self._rank == 0:
            self._losses.append(terms)

    def save(self, step: int, metrics: Metrics) -> None:
        """Take a checkpoint; it is stored while training goes on.

        Args:
            step: the next step to do.
            metrics: what was measured here; rank 0's count.
        """
        if self._rank == 0:
            self._writer.submit(lambda folder: self._save(folder, step), Checkpoint(step, metrics), self._losses)
            self._losses = []

    def wait(self) -> None:
        """Return when the last checkpoint is stored."""
        self._writer.wait()

    def _save(self, folder: Path, step: int) -> None:
        save_state(folder, self._method, self._optimizers, step=step, scaler=self._scaler)

    def _load(self, folder: Path) -> int:
        return load_state(folder, self._method, self._optimizers, scaler=self._scaler)

    def _said_by_rank_0(self, ask: Callable[[], T]) -> T:
        """Return what rank 0 finds: the others would look at another moment."""
        said = [ask() if self._rank == 0 else None]
        if dist.is_initialized():
            dist.broadcast_object_list(said, src=0)
        return said[0]  # type: ignore[return-value]  # it is what rank 0 found
