"""Class similarities: how much each seen class is like each class of a teacher's classifier (SAKE's ``cid_mask``).

One file: ``.npz`` with the arrays ``classes`` (C strings) and ``vectors`` (C, K), or JSON ``{word: [K numbers]}``.
The published files are pickles; this turns one into ours without running what is in it:

    python -m sketchray.data.semantics cid_mask.pickle cname_cid.txt OUT.npz
"""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sketchray.data.number_pickle import read_number_pickle
from sketchray.data.protocols import normalise
from sketchray.storage import NotFound, read_uri


def load_semantics(uri: str, classes: Sequence[str], *, width: int) -> Tensor:
    """Read the similarities of some classes.

    Args:
        uri: the file, in a store or on disk; it may hold more classes.
        classes: words of the C classes; case, spaces, hyphens and underscores do not matter.
        width: K, the classes of the teacher's classifier.

    Returns:
        m_CK, float32.

    Raises:
        ValueError: no such file, it is not readable, a class is missing or there twice, a value is not finite, or the
            vectors are not of this width.
    """
    try:
        data = read_uri(uri)
    except NotFound as error:
        raise ValueError(f"{uri}: no such file of class similarities") from error
    try:
        words, vectors_RK = _read(data)
    except Exception as error:  # a damaged archive raises whatever its bytes lead to
        raise ValueError(f"{uri}: not a file of class similarities ({error})") from error
    if vectors_RK.ndim != 2 or len(words) != len(vectors_RK) or not np.isfinite(vectors_RK).all():
        raise ValueError(f"{uri}: {len(words)} classes need as many rows of finite numbers, not {vectors_RK.shape}")
    if vectors_RK.shape[1] != width:
        raise ValueError(f"{uri}: {vectors_RK.shape[1]} similarities a class, but the teacher knows {width} classes")
    rows: dict[str, int] = {}
    for row, word in enumerate(words):
        if rows.setdefault(normalise(word), row) != row:
            raise ValueError(f"{uri}: class {word!r} is there twice")
    missing = [word for word in classes if normalise(word) not in rows]
    if missing:
        raise ValueError(f"{uri}: no similarities for {', '.join(missing)}")
    return torch.from_numpy(vectors_RK[[rows[normalise(word)] for word in classes]])


def _read(data: bytes) -> tuple[list[str], NDArray[np.float32]]:
    if data[:2] == b"PK":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return [str(word) for word in arrays["classes"]], arrays["vectors"].astype(np.float32)
    table = json.loads(data)
    return list(table), np.array(list(table.values()), dtype=np.float32)


def save_semantics(path: Path, words: Sequence[str], vectors_CK: NDArray[np.floating]) -> None:
    """Write similarities as ``.npz``.

    Args:
        path: the file, replaced if it is there.
        words: C classes.
        vectors_CK: a row each.
    """
    with path.open("wb") as file:
        np.savez_compressed(file, classes=np.array(words, dtype=str), vectors=vectors_CK.astype(np.float32))


def convert_published(pickled: Path, class_list: Path) -> tuple[list[str], NDArray[np.floating]]:
    """Read SAKE's ``cid_mask.pickle`` and its ``cname_cid.txt``.

    Args:
        pickled: ``{class id: K numbers}``.
        class_list: a line ``name id`` each; a name may have spaces.

    Returns:
        The C names in the list's order, and vectors_CK.

    Raises:
        ValueError: the pickle holds anything but numbers, or a line or an id does not fit.
    """
    vectors = read_number_pickle(pickled)
    if len({vector.shape for vector in vectors.values()}) != 1 or next(iter(vectors.values())).ndim != 1:
        raise ValueError(f"{pickled}: its vectors are not all of one length")
    words, rows = [], []
    for number, line in enumerate(class_list.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        word, _, key = line.strip().rpartition(" ")
        if not word or not key.isdecimal() or int(key) not in vectors:
            raise ValueError(f"{class_list}, line {number}: {line!r} is not a name and an id of {pickled}")
        words.append(word.strip())
        rows.append(vectors[int(key)])
    if not rows:
        raise ValueError(f"{class_list}: no classes")
    return words, np.stack(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m sketchray.data.semantics", description="Convert SAKE's cid_mask.")
    for name, what in (("pickle", "cid_mask.pickle"), ("class_list", "cname_cid.txt"), ("out", "the .npz to write")):
        parser.add_argument(name, type=Path, help=what)
    options = parser.parse_args(arguments)
    try:
        words, vectors_CK = convert_published(options.pickle, options.class_list)
        save_semantics(options.out, words, vectors_CK)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {vectors_CK.shape[0]} classes, {vectors_CK.shape[1]} similarities each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
