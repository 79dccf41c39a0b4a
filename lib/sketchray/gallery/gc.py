"""Garbage collection: versions that no reader can still hold, and the work of builds that were given up.

Versions share objects, since a new one refers to its parent's. So a version goes by its manifest first, and then every
object goes that no manifest left refers to. What was written, claimed or current within the age stays, with everything
it refers to; `claims` has how a publisher and a collector keep out of each other's way. The age must be longer than the
longest build takes, and than a reader goes without opening the current version, by more than clocks differ.
"""

import contextlib
import itertools
from datetime import UTC, datetime, timedelta

from pydantic import Field

from sketchray.config import Config
from sketchray.gallery.claims import mark, unmark
from sketchray.gallery.manifest import GalleryError
from sketchray.gallery.publish import MANIFEST, gallery_store, no_gallery, read_pointer
from sketchray.gallery.retention import (
    VERSIONS,
    WORK,
    Prefixes,
    abandoned_work,
    by_prefix,
    complete,
    needed_keys,
    old_versions,
)
from sketchray.storage import Entry, Store


class Collected(Config):
    """What a garbage collection did, or would do.

    Attributes:
        kept: versions that are there, sorted.
        versions: versions that went.
        work: builds whose work went.
        objects: deleted objects.
        size: of them, bytes.
        dry_run: nothing was deleted.
    """

    kept: tuple[str, ...]
    versions: tuple[str, ...]
    work: tuple[str, ...]
    objects: int = Field(ge=0)
    size: int = Field(ge=0)
    dry_run: bool


def collect_garbage(
    store: Store,
    name: str,
    *,
    keep: int = 3,
    older_than: timedelta = timedelta(days=1),
    now: datetime | None = None,
    dry_run: bool = False,
) -> Collected:
    """Delete versions that are neither among the last ones that were current nor young, and abandoned work.

    A collection that is killed leaves every version that has a manifest whole; the next one goes on.

    Args:
        store: where the galleries are.
        name: the gallery.
        keep: how many of the versions that were current stay whatever their age, the current one among them; at most
            100, the versions that a gallery remembers to have been current.
        older_than: how long ago a version must have ceased to be current, or a build have stopped writing.
        now: what the ages are counted from; None for this machine's clock.
        dry_run: delete nothing, only say what would go.

    Raises:
        GalleryError: there is no such gallery, nor work of one. Or a manifest that stays cannot be read, so that
            nothing is known of what it needs; nothing was deleted. Or ``keep`` is below 1, or the age negative.
    """
    if keep < 1 or older_than < timedelta(0):
        raise GalleryError(f"keep is {keep}, the age {older_than}: the current version always stays, and what is new")
    before = (now or datetime.now(UTC)) - older_than
    gallery = gallery_store(store, name)
    pointer, versions, work = read_pointer(gallery), by_prefix(gallery, VERSIONS), by_prefix(gallery, WORK)
    if pointer is None and not versions and not work:
        raise no_gallery(store, name)
    if pointer is not None and pointer.version not in complete(versions):
        raise GalleryError(f"{gallery.uri}: the current version {pointer.version} has no manifest; nothing is deleted")
    old = old_versions(versions, pointer, keep=keep, before=before)
    with contextlib.ExitStack() as marks:
        if not dry_run:
            old = _hold(gallery.child(VERSIONS), old, before, marks)
        kept = complete(versions) - old.keys()
        needed = set(itertools.chain.from_iterable(needed_keys(gallery, version) for version in sorted(kept)))
        spare = {key: entry for key, entry in _flat(VERSIONS, old).items() if key not in needed}
        runs = abandoned_work(work, gallery, kept, before=before)
        if not dry_run:
            runs = _hold(gallery.child(WORK), runs, before, marks)
            _delete(gallery, spare)
            _delete(gallery, _flat(WORK, runs))
    if not dry_run:
        for folder in (VERSIONS, WORK):
            gallery.child(folder).prune()
    gone = spare | _flat(WORK, runs)
    return Collected(
        kept=tuple(sorted(kept)),
        versions=tuple(sorted(complete(old))),
        work=tuple(sorted(runs)),
        objects=len(gone),
        size=sum(entry.size for entry in gone.values()),
        dry_run=dry_run,
    )


def _hold(folder: Store, old: Prefixes, before: datetime, marks: contextlib.ExitStack) -> Prefixes:
    """Mark prefixes, and return those that nobody has claimed meanwhile, with what is in them now."""
    held: Prefixes = {}
    for prefix in sorted(old):
        place = folder.child(prefix)
        entries = mark(place, before=before)
        if entries is not None:
            marks.callback(unmark, place)
            held[prefix] = entries
    return held


def _flat(folder: str, prefixes: Prefixes) -> dict[str, Entry]:
    return {f"{folder}/{prefix}/{entry.key}": entry for prefix, entries in prefixes.items() for entry in entries}


def _delete(gallery: Store, entries: dict[str, Entry]) -> None:
    """Delete objects: manifests first, then the last written first, so that nothing that is left looks whole."""
    for key in sorted(entries, key=lambda key: (key.endswith(f"/{MANIFEST}"), entries[key].modified), reverse=True):
        gallery.delete(key)
