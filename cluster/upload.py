"""Copy a folder into the store, so that the store holds the same as the folder: what is there already stays."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sketchray.storage import Store

THREADS = 8


def upload(root: Path, store: Store) -> dict[str, Any]:
    """Make the store mirror a dataset's folder, hidden files left out.

    Returns:
        ``source`` (the store's URI) and the number of files ``uploaded``, ``kept`` and ``deleted``.

    Raises:
        ValueError: `root` is no folder, or has no file in it.
        StoreError: the store cannot be written.
    """
    files = {path.relative_to(root).as_posix(): path for path in _files(root)}
    if not files:
        raise ValueError(f"{root}: no files to upload")
    there = {entry.key: entry for entry in store.list()}
    todo = [key for key, path in files.items() if key not in there or not _same(path, there[key].etag)]
    gone = [key for key in there if key not in files]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda key: store.write(key, files[key].read_bytes()), todo))
        list(pool.map(store.delete, gone))
    return {"source": store.uri, "uploaded": len(todo), "kept": len(files) - len(todo), "deleted": len(gone)}


def listing_digest(root: Path) -> str:
    """Return 16 hex digits over the names, sizes and times of a folder's files."""
    hashed = hashlib.sha256()
    for path in sorted(_files(root)):
        facts = path.stat()
        hashed.update(f"{path.relative_to(root)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return hashed.hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        raise ValueError(f"{root}: not a folder")
    for path in root.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def _same(path: Path, etag: str) -> bool:
    """Tell whether an object has a file's content: the etag of an object written in one piece is its MD5."""
    return etag.strip('"') == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
