"""Put a finished folder into its place in one step, with nobody else at work on the same place."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the lock of a root, and clear away what killed builds of it left (nobody else can be at work on it)."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f".{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in root.parent.glob(f"{_prefix(root)}*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it becomes ``root``, else it is removed.

    An older folder at ``root`` is replaced. A kill between the two renames leaves no ``root``, never half of one.
    """
    folder = _beside(root)
    try:
        yield folder
        folder.chmod(0o755)  # temporary folders are made for their owner alone
        if root.exists():
            root.rename(_beside(root) / root.name)
        folder.rename(root)
    finally:
        for left in root.parent.glob(f"{_prefix(root)}*"):
            shutil.rmtree(left, ignore_errors=True)


def _beside(root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=root.parent, prefix=_prefix(root)))


def _prefix(root: Path) -> str:
    return f".{root.name}.building-"
