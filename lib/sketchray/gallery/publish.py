"""Publishing: immutable objects first, the manifest created once, then ``CURRENT`` by compare-and-swap."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from sketchray.config import Config
from sketchray.gallery.claims import claim
from sketchray.gallery.manifest import GalleryError, Manifest, check_name
from sketchray.storage import Conflict, NotFound, Store

CURRENT = "CURRENT"
MANIFEST = "manifest.json"
HISTORY = 100  # versions that CURRENT remembers


class Retired(Config):
    """A version that was current, and until when by its successor's clock."""

    version: str
    until: datetime


class _Current(Config):
    version: str
    manifest_sha256: str
    retired: tuple[Retired, ...] = ()


@dataclass(frozen=True)
class Pointer:
    """What ``CURRENT`` said when it was read.

    Attributes:
        version: the current version.
        manifest_sha256: of its manifest.
        etag: to swap against.
        retired: the versions that were current before, at most 100; the last one is the one before this.
    """

    version: str
    manifest_sha256: str
    etag: str
    retired: tuple[Retired, ...] = ()


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
    return Pointer(current.version, current.manifest_sha256, entry.etag, current.retired)


def begin_version(gallery: Store, version: str) -> None:
    """Announce a version before its first object is written, so that no garbage collection deletes one.

    Raises:
        Conflict: a garbage collection is deleting what is left of the same version.
    """
    claim(gallery.child(version_key(version, "").rstrip("/")))


def store_manifest(gallery: Store, manifest: Manifest) -> Manifest:
    """Create a version's manifest once; return the one that is there, which has the same content.

    All objects of the version must have been written.
    """
    key = version_key(manifest.version, MANIFEST)
    try:
        gallery.write(key, manifest.to_bytes(), only_if_absent=True)
    except Conflict:
        return Manifest.from_bytes(gallery.read(key), where=gallery.uri_of(key))
    return manifest


def publish_objects(
    gallery: Store, manifest: Manifest, objects: Mapping[str, bytes], *, expected: Pointer | None
) -> Manifest:
    """Write a version's new objects and its manifest, and make it current.

    Args:
        gallery: from `gallery_store`.
        manifest: of the version.
        objects: the bytes of its own objects, by the part of their keys after the version's prefix.
        expected: as `publish` takes it.

    Returns:
        The manifest that is stored.

    Raises:
        Conflict: another publisher was first; the message says with which version.
    """
    begin_version(gallery, manifest.version)
    for key, data in objects.items():
        gallery.write(version_key(manifest.version, key), data)
    stored = store_manifest(gallery, manifest)
    publish(gallery, stored.version, expected=expected)
    return stored


def expect_current(gallery: Store, version: str) -> Pointer:
    """Return the pointer to a version that work is about to begin on.

    Raises:
        Conflict: it is not current, or not any more; the message says which version is.
    """
    pointer = read_pointer(gallery)
    if pointer is None or pointer.version != version:
        current = f"version {pointer.version} is" if pointer else "nothing is"
        raise Conflict(f"{gallery.uri}: {current} current, not version {version}")
    return pointer


def publish(gallery: Store, version: str, *, expected: Pointer | None) -> Pointer:
    """Make a version current, unless somebody else has published since ``expected`` was read.

    Args:
        gallery: from `gallery_store`.
        version: a version whose manifest is stored: a new one, or an older one to go back to.
        expected: what `read_pointer` gave before the work on this version began.

    Returns:
        The new pointer. Publishing what is current already changes nothing.

    Raises:
        GalleryError: there is no such version.
        Conflict: another publisher was first; the message says with which version. Or the version is being deleted.
    """
    manifest_sha256 = _hash_of_manifest(gallery, version)
    if expected is not None and (expected.version, expected.manifest_sha256) == (version, manifest_sha256):
        return expected
    begin_version(gallery, version)
    _hash_of_manifest(gallery, version)  # it may have been deleted before it was ours
    current = _Current(version=version, manifest_sha256=manifest_sha256, retired=_retired(expected, version))
    data = current.model_dump_json().encode()
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
    return Pointer(version, manifest_sha256, etag, current.retired)


def roll_back(gallery: Store, version: str | None = None) -> Pointer:
    """Make an older version current again.

    Args:
        gallery: from `gallery_store`.
        version: one that is still there; None for the one that was current before this one.

    Raises:
        GalleryError: nothing was published, there is no such version, or none before this one.
        Conflict: another publisher was first, and the message says with which version.
    """
    expected = read_pointer(gallery)
    if expected is None:
        raise GalleryError(f"{gallery.uri}: nothing was published yet")
    if version is None:
        if not expected.retired:
            raise GalleryError(f"{gallery.uri}: no version was current before {expected.version}")
        version = expected.retired[-1].version
    return publish(gallery, version, expected=expected)


def list_versions(gallery: Store) -> Iterator[str]:
    """Yield the versions whose manifest is stored, current or not, sorted."""
    keys = (entry.key.split("/") for entry in gallery.list("versions/"))
    yield from sorted(parts[1] for parts in keys if len(parts) == 3 and parts[2] == MANIFEST)


def list_galleries(store: Store) -> Iterator[str]:
    """Yield the names of the galleries that have a current version, sorted."""
    keys = (entry.key.split("/") for entry in store.list("galleries/"))
    yield from sorted(parts[1] for parts in keys if len(parts) == 3 and parts[2] == CURRENT)


def no_gallery(store: Store, name: str) -> GalleryError:
    """Return the error of a gallery that is not there; it says which are."""
    known = ", ".join(list_galleries(store)) or "none"
    return GalleryError(f"{store.uri}: no gallery {name!r} has been published; there are: {known}")


def _hash_of_manifest(gallery: Store, version: str) -> str:
    try:
        return hashlib.sha256(gallery.read(version_key(version, MANIFEST))).hexdigest()
    except NotFound as error:
        there = ", ".join(list_versions(gallery)) or "none"
        raise GalleryError(f"{gallery.uri}: there is no version {version}; there are: {there}") from error


def _retired(expected: Pointer | None, version: str) -> tuple[Retired, ...]:
    """Return the versions that were current before this one, once each, the last to be so at the end."""
    if expected is None:
        return ()
    before = (*expected.retired, Retired(version=expected.version, until=datetime.now(UTC)))
    last = {retired.version: retired for retired in reversed(before)}
    kept = [retired for retired in before if last[retired.version] is retired and retired.version != version]
    return tuple(kept[-HISTORY:])
