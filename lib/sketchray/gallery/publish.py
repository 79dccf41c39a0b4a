"""Publishing: immutable objects first, the manifest created once, then ``CURRENT`` by compare-and-swap."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from sketchray.config import Config
from sketchray.gallery.manifest import GalleryError, Manifest, check_name
from sketchray.storage import Conflict, Store

CURRENT = "CURRENT"


class _Current(Config):
    version: str
    manifest_sha256: str


@dataclass(frozen=True)
class Pointer:
    """What ``CURRENT`` said when it was read: the version, its manifest's hash, and the etag to swap against."""

    version: str
    manifest_sha256: str
    etag: str


def gallery_store(store: Store, name: str) -> Store:
    """Return the place of one gallery's objects."""
    return store.child(f"galleries/{check_name(name)}")


def version_key(version: str, item: str) -> str:
    """Return the key of an object that belongs to a version."""
    return f"versions/{version}/{item}"


def read_pointer(gallery: Store) -> Pointer | None:
    """Return the current version, or None where nothing was published yet.

    Raises:
        GalleryError: ``CURRENT`` is not what a publisher writes.
    """
    entry = gallery.head(CURRENT)  # before the content: a swap in between makes ours fail, never succeed wrongly
    if entry is None:
        return None
    try:
        current = _Current.model_validate_json(gallery.read(CURRENT))
    except ValidationError as error:
        raise GalleryError(f"{gallery.uri_of(CURRENT)}: not a pointer to a version") from error
    return Pointer(current.version, current.manifest_sha256, entry.etag)


def store_manifest(gallery: Store, manifest: Manifest) -> Manifest:
    """Create a version's manifest once; return the one that is there, which has the same content.

    All objects of the version must have been written.
    """
    key = version_key(manifest.version, "manifest.json")
    try:
        gallery.write(key, manifest.to_bytes(), only_if_absent=True)
    except Conflict:
        return Manifest.from_bytes(gallery.read(key), where=gallery.uri_of(key))
    return manifest


def publish(gallery: Store, version: str, *, expected: Pointer | None) -> Pointer:
    """Make a version current, unless somebody else has published since ``expected`` was read.

    Args:
        gallery: from `gallery_store`.
        version: a version whose manifest is stored.
        expected: what `read_pointer` gave before the work on this version began.

    Returns:
        The new pointer. Publishing what is current already changes nothing.

    Raises:
        Conflict: another publisher was first; the message says with which version.
    """
    key = version_key(version, "manifest.json")
    manifest_sha256 = hashlib.sha256(gallery.read(key)).hexdigest()
    if expected is not None and (expected.version, expected.manifest_sha256) == (version, manifest_sha256):
        return expected
    data = _Current(version=version, manifest_sha256=manifest_sha256).model_dump_json().encode()
    try:
        if expected is None:
            etag = gallery.write(CURRENT, data, only_if_absent=True)
        else:
            etag = gallery.write(CURRENT, data, if_match=expected.etag)
    except Conflict as error:
        winner = read_pointer(gallery)
        if winner is not None and winner.version == version:
            return winner
        told = f"version {winner.version} was published meanwhile" if winner else "it was removed meanwhile"
        raise Conflict(f"{gallery.uri}: {told}; version {version} is complete but not current") from error
    return Pointer(version, manifest_sha256, etag)


def list_galleries(store: Store) -> Iterator[str]:
    """Yield the names of the galleries that have a current version, sorted."""
    keys = (entry.key.split("/") for entry in store.list("galleries/"))
    yield from sorted(parts[1] for parts in keys if len(parts) == 3 and parts[2] == CURRENT)
