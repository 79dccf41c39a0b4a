"""Files that hold many drawings: Quick, Draw!'s stroke lists and bitmap arrays."""

import gzip
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sketchray.data.sketch import Bitmap, Sketch, Strokes

CONTAINERS = (".ndjson", ".ndjson.gz", ".npz")


@dataclass(frozen=True, eq=False)
class StrokeFile:
    """One JSON object a line, its ``drawing`` (or ``strokes``) a list of strokes; parsed when asked for."""

    lines: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, row: int) -> Sketch:
        entry = json.loads(self.lines[row])
        drawing = entry.get("drawing", entry.get("strokes")) if isinstance(entry, dict) else entry
        return Strokes.from_json(drawing)

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return sum(len(line) + 40 for line in self.lines)


@dataclass(frozen=True, eq=False)
class BitmapFile:
    """Bitmaps uint8 (N, H, W), ink 255."""

    images_NHW: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images_NHW)

    def __getitem__(self, row: int) -> Sketch:
        return Bitmap.from_array(self.images_NHW[row])

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return int(self.images_NHW.nbytes)


Container = StrokeFile | BitmapFile


def is_container(name: str) -> bool:
    """Return whether a file of this name holds many drawings."""
    return name.lower().endswith(CONTAINERS)


def open_container(name: str, data: bytes) -> Container:
    """Open ``.ndjson``, ``.ndjson.gz`` or ``.npz`` (an array ``images``) from its bytes.

    Raises:
        ValueError: another kind of file, damaged, or not of that form; the message begins with the name.
    """
    try:
        if name.lower().endswith(".npz"):
            return _bitmaps(data)
        if is_container(name):
            text = gzip.decompress(data) if name.lower().endswith(".gz") else data
            return StrokeFile([line for line in text.splitlines() if line.strip()])
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"{name}: damaged or not of its kind ({error})") from error
    raise ValueError(f"{name}: drawings come in {', '.join(CONTAINERS)}")


def _bitmaps(data: bytes) -> BitmapFile:
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        if "images" not in arrays:
            raise ValueError(f"an array 'images' is missing; it has {', '.join(arrays) or 'none'}")
        images_NHW = arrays["images"]
    if images_NHW.ndim != 3 or images_NHW.dtype != np.uint8:
        raise ValueError(f"'images' is {images_NHW.dtype} {images_NHW.shape}, not uint8 (N, H, W)")
    return BitmapFile(images_NHW)
