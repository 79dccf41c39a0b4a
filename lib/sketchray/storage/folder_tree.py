"""The folders of a folder store: walking them, writing into them, removing them when they are empty.

A writer makes a folder and then a temporary file in it, and takes the folder's lock only after that. So whoever holds
the lock and sees nothing beside it may remove it and the folder: a writer that comes later finds its folder gone and
makes it anew, or has a file in it already, and the folder stays.
"""

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sketchray.storage.base import AccessDenied, Entry

OWN = ".sketchray-"  # locks and unfinished writes start so; they are never listed
LOCK = f"{OWN}lock"
ATTEMPTS = 100
IN_USE = {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY}


def entry_of(key: str, status: os.stat_result) -> Entry:
    """Return the entry of a file."""
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(key, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}", modified)


def walk(folder: Path, prefix: str, *, ordered: bool) -> Iterator[Entry]:
    """Yield the files below a folder.

    Args:
        folder: where to begin.
        prefix: of the keys.
        ordered: by the UTF-8 bytes of whole keys, as S3 does: a folder sorts as its name and a slash. For that all
            names of a folder are held at once. Otherwise in the file system's own order.

    Raises:
        AccessDenied: a folder cannot be read.
    """
    try:
        children: Iterable[tuple[str, os.DirEntry[str]]] = _children(folder)
        if ordered:
            children = sorted(children, key=lambda child: os.fsencode(child[0]))
        for name, item in children:
            if name.endswith("/"):
                if item.is_symlink() and folder.resolve().is_relative_to(Path(item.path).resolve()):
                    continue  # a link to one of its own parents: its files have been seen
                yield from walk(Path(item.path), prefix + name, ordered=ordered)
            elif not name.startswith(OWN) and item.is_file():
                with contextlib.suppress(FileNotFoundError):  # deleted since the scan
                    yield entry_of(prefix + name, item.stat())
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise AccessDenied(f"file://{folder}: permission denied") from error


def open_temporary(folder: Path) -> tuple[int, Path]:
    """Make a folder, if it is not there, and a temporary file in it; return the file's handle and path."""
    for attempt in range(1, ATTEMPTS + 1):
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for made in missing:
                sync_folder(made.parent)
            handle, name = tempfile.mkstemp(prefix=f"{OWN}tmp-", dir=folder)
        except FileNotFoundError:  # it was empty, and somebody removed it just now
            if attempt == ATTEMPTS:
                raise
            continue
        return handle, Path(name)
    raise AssertionError("the last attempt returns or raises")


def remove_empty(folder: Path) -> None:
    """Remove every folder below a folder that has no file below it; links are neither followed nor removed."""
    for name, _, _ in os.walk(folder, topdown=False):
        if Path(name) != folder:
            _remove_if_empty(Path(name))


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder outlive the machine's stop."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock: between threads as well as processes, and free when its holder dies."""
    while True:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_lock(folder, handle):  # somebody removed it while this waited for it
                continue
            yield
            return
        finally:
            os.close(handle)


def _children(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield what a folder has, by name; that of a folder ends with a slash."""
    with os.scandir(folder) as items:
        for item in items:
            yield (f"{item.name}/" if item.is_dir() else item.name), item


def _is_lock(folder: Path, handle: int) -> bool:
    try:
        there = (folder / LOCK).stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(handle))


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as items:
        return all(item.name == LOCK for item in items)


def _remove_if_empty(folder: Path) -> None:
    """Remove a folder that has nothing but its lock, which nobody holds."""
    try:
        if not _is_empty(folder):
            return
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:  # another process was first
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_lock(folder, handle) and _is_empty(folder):
            (folder / LOCK).unlink()
            folder.rmdir()
    except BlockingIOError:  # a writer holds it
        return
    except OSError as error:
        if error.errno not in IN_USE:
            raise
    finally:
        os.close(handle)
