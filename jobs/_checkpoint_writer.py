"""Checkpoints written while training goes on."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from jobs._checkpoints import Checkpoint, Checkpoints, Metrics


class CheckpointWriter:
    """Takes a state at once and stores it in the background, one at a time and in order.

    Args:
        checkpoints: where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._underway: Future[None] | None = None

    def submit(self, save: Callable[[Path], None], checkpoint: Checkpoint, losses: Sequence[Metrics] = ()) -> None:
        """Take a state; wait only if the one before is still on its way.

        Args:
            save: writes the state's files into a folder; it has been called when this returns.
            checkpoint: the step and its metrics.
            losses: the terms of each step since the checkpoint before.

        Raises:
            Exception: what went wrong with the one before.
        """
        self.wait()
        folder = Path(tempfile.mkdtemp(prefix="checkpoint-"))
        try:
            save(folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        self._underway = self._thread.submit(self._store, folder, checkpoint, list(losses))

    def wait(self) -> None:
        """Return when all that was taken is stored.

        Raises:
            Exception: what went wrong with it.
        """
        if self._underway is not None:
            underway, self._underway = self._underway, None
            underway.result()

    def _store(self, folder: Path, checkpoint: Checkpoint, losses: list[Metrics]) -> None:
        try:
            self._checkpoints.write(folder, checkpoint, losses)
        finally:
            shutil.rmtree(folder)
