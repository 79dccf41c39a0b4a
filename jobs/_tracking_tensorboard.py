"""TensorBoard: each flush leaves one more event file in the run's folder of the store, and none is changed again."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tensorboardX import SummaryWriter

from jobs._tracking import Picture, Tracker
from sketchray.storage import Store


class TensorBoard(Tracker):
    """Writes event files; ``tensorboard --logdir`` shows them from a folder and, with ``S3_ENDPOINT``, from a bucket.

    Args:
        store: where they go.
        step: from which the run goes on; TensorBoard drops what earlier files have of later steps.
    """

    def __init__(self, store: Store, *, step: int) -> None:
        self._store, self._step = store, step
        self._folder = tempfile.TemporaryDirectory(prefix="sketchray-tensorboard-")
        self._writer: SummaryWriter | None = None
        self._files = 0

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        writer = self._open()
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def image(self, step: int, name: str, picture: Picture) -> None:
        self._open().add_image(name, picture, step, dataformats="HWC")

    def flush(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        for path in sorted(Path(self._folder.name).iterdir()):
            self._store.write(path.name, path.read_bytes())
            path.unlink()

    def _open(self) -> SummaryWriter:
        if self._writer is None:
            # TensorBoard reads files in the order of their names: the second they were opened in, then this number.
            first = self._step + 1 if self._files == 0 else None
            self._writer = SummaryWriter(self._folder.name, purge_step=first, filename_suffix=f".{self._files:06d}")
            self._files += 1
        return self._writer
