"""A run's checkpoints in the store: the last one and the best, each of them there whole or not at all.

A checkpoint is two objects, and the store writes an object whole or not at all: first the state, one archive, then a
small record of it. What has no record is none, however far its state came. Ray Train's own checkpoints are folders that
count once its controller has heard of them and rewritten its notes in place: what it had not heard of yet is lost with
it, and a controller killed while it writes leaves notes that no other can read.

    runs/<name>/checkpoints/step-00000050.zip    what `sketchray.methods.fitting.save_state` writes
    runs/<name>/checkpoints/step-00000050.json   the step and its metrics
    runs/<name>/losses/step-00000050.json        the loss terms of each step since the checkpoint before; these stay
"""

import io
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jobs._driver import Driver
from sketchray.storage import NotFound, Store

Metrics = dict[str, float]


class Checkpoint(NamedTuple):
    """A state in the store: the next step to do, and what was measured there."""

    step: int
    metrics: Metrics


class Checkpoints:
    """The checkpoints of one run. Any number of processes may look at them, one writes.

    Args:
        store: the run's part of the store, ``runs/<name>``.
        criterion: name of the metric whose highest value is the best; None where nothing says which is.
        driver: of the run; what it was taken from writes nothing any more. None where nobody else may come.
    """

    def __init__(self, store: Store, *, criterion: str | None, driver: Driver | None = None) -> None:
        self._states, self._losses, self._criterion = store.child("checkpoints"), store.child("losses"), criterion
        self._driver = driver

    def check_driver(self) -> None:
        """Make sure that nobody else drives the run now.

        Raises:
            Conflict: another process does.
        """
        if self._driver is not None:
            self._driver.check()

    def write(self, folder: Path, checkpoint: Checkpoint, losses: Sequence[Metrics] = ()) -> None:
        """Store a state, then remove those that are neither the last nor the best now.

        Args:
            folder: its files.
            checkpoint: their step and metrics.
            losses: the terms of each step since the checkpoint before.

        Raises:
            Conflict: another process drives the run now.
        """
        self.check_driver()
        name = _name(checkpoint.step)
        self._losses.write(f"{name}.json", json.dumps(list(losses)).encode())
        self._states.write(f"{name}.zip", _pack(folder))
        self._states.write(f"{name}.json", json.dumps(checkpoint.metrics).encode())
        self._prune(checkpoint.step)

    def read(self, checkpoint: Checkpoint, folder: Path) -> None:
        """Fetch a state's files into an empty folder.

        Raises:
            ValueError: the archive is damaged.
            NotFound: it was removed meanwhile.
        """
        key = f"{_name(checkpoint.step)}.zip"
        try:
            with zipfile.ZipFile(io.BytesIO(self._states.read(key))) as archive:
                archive.extractall(folder)  # which checks every file's sum
        except zipfile.BadZipFile as error:
            raise ValueError(f"{self._states.uri_of(key)}: the checkpoint is damaged ({error})") from error

    def last(self) -> Checkpoint | None:
        """Return the newest one; None before the first."""
        return max(self._all(), key=lambda checkpoint: checkpoint.step, default=None)

    def best(self) -> Checkpoint | None:
        """Return the one with the highest criterion, of equal ones the earliest; None without a criterion."""
        return best_of(self._all(), self._criterion)

    def newest_whole(self, folder: Path) -> Checkpoint | None:
        """Fetch the newest state that can be read into an empty folder; None if there is none."""
        for checkpoint in sorted(self._all(), reverse=True, key=lambda checkpoint: checkpoint.step):
            try:
                self.read(checkpoint, folder)
            except (ValueError, NotFound) as error:
                print(f"left out: {error}", file=sys.stderr, flush=True)
            else:
                return checkpoint
        return None

    def curve(self) -> list[Metrics]:
        """Return the loss terms of every step so far, from step 0 on."""
        entries = sorted(self._losses.list(), key=lambda entry: entry.key)
        return [terms for entry in entries for terms in json.loads(self._losses.read(entry.key))]

    def _all(self) -> list[Checkpoint]:
        found = []
        for entry in self._states.list("step-"):
            if entry.key.endswith(".json"):
                metrics = json.loads(self._states.read(entry.key))
                found.append(Checkpoint(int(entry.key.removeprefix("step-").removesuffix(".json")), metrics))
        return found

    def _prune(self, last: int) -> None:
        """Remove what is older than the last one and not the best; first the record, so that no half of one counts."""
        best = self.best()
        kept = {_name(last)} | ({_name(best.step)} if best else set())
        old = {entry.key.rpartition(".")[0] for entry in self._states.list("step-")} - kept
        for name in (name for name in old if name < _name(last)):
            self._states.delete(f"{name}.json")
            self._states.delete(f"{name}.zip")


def best_of(checkpoints: Sequence[Checkpoint], criterion: str | None) -> Checkpoint | None:
    """Return the checkpoint with the highest criterion, of equal ones the earliest; None if none has it."""
    if criterion is None:
        return None
    scored = [checkpoint for checkpoint in checkpoints if criterion in checkpoint.metrics]
    return max(scored, key=lambda checkpoint: (checkpoint.metrics[criterion], -checkpoint.step), default=None)


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _pack(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return buffer.getvalue()
