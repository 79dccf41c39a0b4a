"""A plain folder as an object store: write to a temporary file, sync, then check and rename under a lock."""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from sketchray.storage.base import AccessDenied, Conflict, Entry, NoSpace, NotFound, Store, StoreError, check_condition

OWN = ".sketchray-"  # locks and unfinished writes start so; they are never listed
LOCK = f"{OWN}lock"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class FolderStore(Store):
    """Objects are files under `root`.

    An etag is ``<mtime in ns>-<size>``; a replacement always gets a later mtime than what it replaces, so that two
    states of one key never share an etag.
    """

    root: Path

    @property
    def uri(self) -> str:
        return f"file://{self.root}"

    def uri_of(self, key: str) -> str:
        return f"file://{self._path(key)}"

    def child(self, prefix: str) -> "FolderStore":
        return FolderStore(self._path(prefix.rstrip("/")))

    def arrow(self) -> tuple[Any, str]:
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), str(self.root)

    def read(self, key: str) -> bytes:
        path = self._path(key)
        with self._named(path):
            return path.read_bytes()

    def head(self, key: str) -> Entry | None:
        path = self._path(key)
        with self._named(path):
            try:
                return _entry(key, path.stat()) if path.is_file() else None
            except FileNotFoundError:  # deleted in between
                return None

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._named(path):
            path.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = prefix.rpartition("/")[0]
        top = self._path(folder) if folder else self.root
        for entry in _walk(top, f"{folder}/" if folder else ""):
            if entry.key.startswith(prefix):
                yield entry

    def write(self, key: str, data: bytes, *, only_if_absent: bool = False, if_match: str | None = None) -> str:
        check_condition(self.uri_of(key), only_if_absent, if_match)
        return self._put(key, lambda file: file.write(data), only_if_absent, if_match)

    def copy(self, key: str, target: str) -> None:
        original = self._path(key)
        with self._named(original):
            source = original.open("rb")
        with source:
            self._put(target, lambda file: shutil.copyfileobj(source, file, 2**20))

    def _put(
        self,
        key: str,
        fill: Callable[[BinaryIO], object],
        only_if_absent: bool = False,
        if_match: str | None = None,
    ) -> str:
        path = self._path(key)
        with self._named(path):
            _make_folder(path.parent)
            handle, name = tempfile.mkstemp(prefix=f"{OWN}tmp-", dir=path.parent)
            temporary = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    fill(file)
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)
                    os.fsync(file.fileno())
                with _locked(path.parent):
                    present = self.head(key)
                    if only_if_absent and present is not None:
                        raise Conflict(f"{self.uri_of(key)}: exists already")
                    if if_match is not None and (present is None or present.etag != if_match):
                        raise Conflict(f"{self.uri_of(key)}: changed since it was read")
                    after = int(present.etag.partition("-")[0], 16) + 1 if present else 0
                    moment = max(time.time_ns(), after)
                    os.utime(temporary, ns=(moment, moment))
                    etag = _entry(key, temporary.stat()).etag
                    temporary.replace(path)
                    _sync_folder(path.parent)
                return etag
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not key or "\0" in key or any(part in ("", ".", "..") or part.startswith(OWN) for part in parts):
            raise ValueError(f"{self.uri}: {key!r} is not a relative object key")
        return self.root.joinpath(*parts)

    @contextlib.contextmanager
    def _named(self, path: Path) -> Iterator[None]:
        """Turn what the operating system says into the store's own errors."""
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            uri = f"file://{path}"
            if error.errno in FULL:
                raise NoSpace(f"{uri}: no space left ({error.strerror})") from error
            if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
                raise NotFound(f"{uri}: no such object") from error
            if isinstance(error, PermissionError):
                raise AccessDenied(f"{uri}: permission denied") from error
            raise StoreError(f"{uri}: {error.strerror or error}") from error


def _entry(key: str, status: os.stat_result) -> Entry:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(key, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}", modified)


def _walk(folder: Path, prefix: str) -> Iterator[Entry]:
    """Yield files in the order of their whole keys' UTF-8 bytes, as S3 does: a folder sorts as its name and a slash."""
    try:
        children = [(f"{item.name}/" if item.is_dir() else item.name, item) for item in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError as error:
        raise AccessDenied(f"file://{folder}: permission denied") from error
    for name, item in sorted(children, key=lambda child: os.fsencode(child[0])):
        if name.endswith("/"):
            if item.is_symlink() and folder.resolve().is_relative_to(Path(item.path).resolve()):
                continue  # a link to one of its own parents: its files have been seen
            yield from _walk(Path(item.path), prefix + name)
        elif not name.startswith(OWN) and item.is_file():
            with contextlib.suppress(FileNotFoundError):  # deleted since the scan
                yield _entry(prefix + name, item.stat())


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's write lock: between threads as well as processes, and free when its holder dies."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def folder_of(uri: str) -> Path:
    """Return the absolute folder that a plain path or a ``file://`` URI names."""
    path = uri.removeprefix("file://")
    if uri.startswith("file://") and not path.startswith("/"):
        raise ValueError(f"{uri}: a file URI has three slashes, as in file:///abs/folder")
    return Path(os.path.normpath(Path(PurePosixPath(path)).expanduser().absolute()))
