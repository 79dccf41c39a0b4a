"""From a sample's URI to its sketch or photo, wherever it lies."""

import threading
from collections import OrderedDict
from functools import cache

from PIL import Image

from sketchray.data.containers import Container, is_container, open_container
from sketchray.data.images import ImageError, decode_image, to_rgb
from sketchray.data.sketch import Bitmap, BlankSketchError, Sketch
from sketchray.data.transforms import draft_side
from sketchray.storage import NotFound, read_uri

CACHE_BYTES = 256 * 2**20
DRAFT = 384


class SampleError(ValueError):
    """One sample cannot be used: missing, damaged or blank. The message begins with its URI."""


class SampleLoader:
    """Loads samples by URI; files that hold many drawings stay in memory, the least recently used go first.

    Whatever is wrong with a sample itself is a `SampleError`; that a store cannot be reached or denies access is not,
    and comes out as the store's own error. Threads may share a loader.

    Args:
        cache_bytes: memory for those files; a larger single one is still kept while it is the last one used.
        draft_size: JPEG photos come decoded at a fraction of their size not below this; None decodes them whole.
    """

    def __init__(self, *, cache_bytes: int = CACHE_BYTES, draft_size: int | None = DRAFT) -> None:
        self._cache_bytes = cache_bytes
        self._draft_size = draft_size
        self._containers: OrderedDict[str, Container] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    @cache
    def shared() -> "SampleLoader":
        """Return the process's own loader."""
        return SampleLoader()

    def sketch(self, uri: str) -> Sketch:
        """Load a sketch: a picture, or ``uri#row`` of a file of strokes or bitmaps.

        Raises:
            SampleError: missing, damaged, no such row, or blank.
        """
        try:
            file, row = split_row(uri)
            sketch = Bitmap.from_image(decode_image(read_uri(file))) if row is None else self._row(file, row)
            if not sketch.strokes.lines:
                raise BlankSketchError("the sketch is blank")
        except (NotFound, ValueError) as error:
            raise SampleError(f"{uri}: {_reason(uri, error)}") from error
        return sketch

    def photo(self, uri: str, *, size: int | None = None) -> Image.Image:
        """Load a photo in mode ``RGB``.

        Args:
            uri: an absolute object URI or a path.
            size: the side that `prepare_photo` is to bring it to, pixels: a JPEG comes decoded at a fraction of its
                size that is enough for that. Without it, the loader's own draft size holds.

        Raises:
            SampleError: missing, or not a picture; the message has the reason.
        """
        try:
            draft = self._draft_size if size is None else draft_side(size)
            return to_rgb(decode_image(read_uri(uri), draft_size=draft))
        except (NotFound, ImageError) as error:
            raise SampleError(f"{uri}: {_reason(uri, error)}") from error

    def _row(self, file: str, row: int) -> Sketch:
        container = self._container(file)
        if row >= len(container):
            raise ValueError(f"there are only {len(container)} drawings in it")
        return container[row]

    def _container(self, uri: str) -> Container:
        with self._lock:
            if uri in self._containers:
                self._containers.move_to_end(uri)
                return self._containers[uri]
        container = open_container(uri, read_uri(uri))
        with self._lock:
            self._containers[uri] = container
            used = sum(other.nbytes for other in self._containers.values())
            while used > self._cache_bytes and len(self._containers) > 1:
                used -= self._containers.popitem(last=False)[1].nbytes
        return container


def split_row(uri: str) -> tuple[str, int | None]:
    """Return the file and the row of ``file#row``; None for a file that is one sample itself.

    Raises:
        ValueError: a file of many drawings without a row, or with one that is no number.
    """
    file, separator, row = uri.rpartition("#")
    if separator and is_container(file):
        if not row.isdecimal():
            raise ValueError(f"the row {row!r} is not a number")
        return file, int(row)
    if is_container(uri):
        raise ValueError("this file holds many drawings: name one as uri#row")
    return uri, None


def _reason(uri: str, error: Exception) -> str:
    """Return the error's words without the file's URI, which the message begins with anyway."""
    return str(error).removeprefix(uri.rpartition("#")[0] or uri).removeprefix(": ")
