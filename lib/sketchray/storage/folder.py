"""A plain folder as an object store: write to a temporary file, sync, then check and rename under a lock."""

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from sketchray.storage.base import AccessDenied, Conflict, Entry, NoSpace, NotFound, Store, StoreError, check_condition
from sketchray.storage.folder_tree import OWN, entry_of, locked, open_temporary, remove_empty, sync_folder, walk

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
                return entry_of(key, path.stat()) if path.is_file() else None
            except FileNotFoundError:  # deleted in between
                return None

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._named(path):
            path.unlink(missing_ok=True)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = prefix.rpartition("/")[0]
        top = self._path(folder) if folder else self.root
        for entry in walk(top, f"{folder}/" if folder else "", ordered=True):
            if entry.key.startswith(prefix):
                yield entry

    def scan(self) -> Iterator[Entry]:
        return walk(self.root, "", ordered=False)

    def prune(self) -> None:
        with self._named(self.root):
            remove_empty(self.root)

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
            handle, temporary = open_temporary(path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    fill(file)
                    file.flush()
                    os.fchmod(file.fileno(), 0o644)
                    os.fsync(file.fileno())
                with locked(path.parent):
                    present = self.head(key)
                    if only_if_absent and present is not None:
                        raise Conflict(f"{self.uri_of(key)}: exists already")
                    if if_match is not None and (present is None or present.etag != if_match):
                        raise Conflict(f"{self.uri_of(key)}: changed since it was read")
                    after = int(present.etag.partition("-")[0], 16) + 1 if present else 0
                    moment = max(time.time_ns(), after)
                    os.utime(temporary, ns=(moment, moment))
                    etag = entry_of(key, temporary.stat()).etag
                    temporary.replace(path)
                    sync_folder(path.parent)
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


def folder_of(uri: str) -> Path:
    """Return the absolute folder that a plain path or a ``file://`` URI names."""
    path = uri.removeprefix("file://")
    if uri.startswith("file://") and not path.startswith("/"):
        raise ValueError(f"{uri}: a file URI has three slashes, as in file:///abs/folder")
    return Path(os.path.normpath(Path(PurePosixPath(path)).expanduser().absolute()))
