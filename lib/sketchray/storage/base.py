"""What every object store offers, and how it fails."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class StoreError(OSError):
    """An object store could not do what was asked; the message names the URI."""


class NotFound(StoreError):  # noqa: N818 - the store's own words, as in botocore and fsspec
    """There is no object under this key."""


class Conflict(StoreError):  # noqa: N818
    """A conditional write lost: the object exists already, or is no longer the one that was seen."""


class BucketMissing(StoreError):  # noqa: N818
    """The bucket itself does not exist."""


class AccessDenied(StoreError):  # noqa: N818
    """Credentials are missing, wrong, or not allowed to do this."""


class Unreachable(StoreError):  # noqa: N818
    """The endpoint did not answer, or answered only with server errors, after a bounded number of attempts."""


class NoSpace(StoreError):  # noqa: N818
    """The store is full or a quota is reached; nothing was written under the key."""


@dataclass(frozen=True)
class Entry:
    """One object as a listing shows it.

    Attributes:
        key: relative to the store it was listed from, with ``/`` between parts.
        size: bytes.
        etag: changes whenever the object does; opaque, comparable only within one store.
        modified: when it was written, UTC by the store's clock, to the second or finer; two entries that differ in
            nothing else are equal.
    """

    key: str
    size: int
    etag: str
    modified: datetime = field(compare=False)


class Store(ABC):
    """A bucket prefix or a folder: immutable bytes under relative keys, with conditional writes.

    Stores are small picklable values. Credentials are never part of one: each process takes its own from the standard
    ``AWS_*`` variables (or whatever else boto3 finds).
    """

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where the store lies, without a trailing slash."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return an object's bytes; `NotFound` if there is none."""

    @abstractmethod
    def write(self, key: str, data: bytes, *, only_if_absent: bool = False, if_match: str | None = None) -> str:
        """Write an object whole or not at all, and return its new etag.

        Args:
            key: relative to the store.
            data: the whole content.
            only_if_absent: create once (``If-None-Match: *``).
            if_match: replace only the object with this etag (``If-Match``).

        Raises:
            Conflict: the condition did not hold; nothing was written.
            NoSpace: the store is full; nothing was written.
        """

    @abstractmethod
    def copy(self, key: str, target: str) -> None:
        """Write one object's bytes under another key of this store, replacing what is there.

        The bytes do not pass through this process's memory; an S3 server copies them itself.

        Raises:
            NotFound: there is nothing to copy.
            NoSpace: the store is full; nothing was written.
        """

    @abstractmethod
    def head(self, key: str) -> Entry | None:
        """Return an object's entry, or None if there is no such object."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield every object whose key starts with a prefix, once, without the zero-byte ``dir/`` markers.

        The order is the server's own: not all of them sort ``a-b`` before ``a/b``.
        """

    def scan(self) -> Iterator[Entry]:
        """Yield every object as `list` does, in any order, in memory that does not grow with their number.

        While the store is written to, an object may come twice.
        """
        yield from self.list()

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is not an error."""

    def prune(self) -> None:  # noqa: B027 - a bucket has nothing to remove
        """Remove what a deletion leaves of folders that have no object any more; a bucket has no such thing.

        It may be called whoever else writes here.
        """

    @abstractmethod
    def child(self, prefix: str) -> "Store":
        """Return the store of everything under ``prefix/``."""

    @abstractmethod
    def uri_of(self, key: str) -> str:
        """Return an object's absolute URI: the store's URI and the key as they are, nothing percent-encoded."""

    @abstractmethod
    def arrow(self) -> tuple[Any, str]:
        """Return ``(pyarrow.fs.FileSystem, base path)``. An S3 file system carries its credentials when pickled."""

    def exists(self, key: str) -> bool:
        """Return whether there is an object under this key."""
        return self.head(key) is not None


def check_condition(uri: str, only_if_absent: bool, if_match: str | None) -> None:
    """Refuse a write that asks for both conditions at once: no object can meet them."""
    if only_if_absent and if_match is not None:
        raise ValueError(f"{uri}: only_if_absent and if_match exclude each other")
