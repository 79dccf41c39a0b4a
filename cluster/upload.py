"""Copy a folder into a store: ``python -m cluster.upload FOLDER URI``. What is there already is not sent again.

The command deletes nothing; the demo's own copy ends up as the folder is, without what the folder has no longer.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sketchray.storage import Store, open_store

THREADS = 8


def upload(root: Path, store: Store, *, mirror: bool = True) -> dict[str, Any]:
    """Copy a dataset's folder into the store, hidden files left out.

    Args:
        root: the folder.
        store: its place in a store.
        mirror: delete there what the folder does not have.

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
    gone = [key for key in there if key not in files] if mirror else []
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


def main(argv: Sequence[str] | None = None) -> int:
    """Copy a folder and print the record as JSON; return 0, or 2 after one line about what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m cluster.upload", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="hidden files in it are left out")
    parser.add_argument("uri", metavar="URI", help="s3://bucket/prefix, by the AWS_* variables, or file:///folder")
    options = parser.parse_args(argv)
    try:
        print(json.dumps(upload(options.folder, open_store(options.uri), mirror=False)))
    except (ValueError, OSError) as error:
        print(f"upload: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
