"""What of a gallery no reader and no writer can still need: by age, and by how many versions were current since."""

import json
from collections import defaultdict
from datetime import UTC, datetime

from sketchray.gallery.claims import newest
from sketchray.gallery.manifest import Manifest, ObjectRef
from sketchray.gallery.publish import HISTORY, MANIFEST, Pointer, version_key
from sketchray.storage import Entry, NotFound, Store

VERSIONS, WORK = "versions", "work"
DONE = "done.json"  # of a finished build's work: {"version": ...}, by which the same build is found again
Prefixes = dict[str, list[Entry]]
"""Objects by version or by build; their keys are relative to it."""


def by_prefix(gallery: Store, folder: str) -> Prefixes:
    """Return the objects of every version, or of every build's work."""
    found: Prefixes = defaultdict(list)
    place = gallery.child(folder)
    for entry in place.list():
        prefix, separator, key = entry.key.partition("/")
        if separator:
            found[prefix].append(Entry(key, entry.size, entry.etag, entry.modified))
    return dict(found)


def complete(versions: Prefixes) -> set[str]:
    """Return the versions that have a manifest."""
    return {version for version, entries in versions.items() if any(entry.key == MANIFEST for entry in entries)}


def old_versions(versions: Prefixes, pointer: Pointer | None, *, keep: int, before: datetime) -> Prefixes:
    """Return those versions that were not written to, claimed or current since a moment, nor current among the last.

    Args:
        versions: all of them; one without a manifest is unfinished, or what others need of a deleted one.
        pointer: what is current, and what was.
        keep: versions that were current to keep, the current one among them.
        before: the moment.
    """
    retired = pointer.retired if pointer else ()
    published = [pointer.version, *(one.version for one in reversed(retired))] if pointer else []
    last = [version for version in published if version in complete(versions)][:keep]
    until = {one.version: one.until for one in retired}
    # A version that has dropped out of a full history was current until some time before the history's first.
    unknown = retired[0].until if len(retired) == HISTORY else datetime.min.replace(tzinfo=UTC)
    return {
        version: entries
        for version, entries in versions.items()
        if version not in last and max(newest(entries), until.get(version, unknown)) <= before
    }


def abandoned_work(runs: Prefixes, gallery: Store, kept: set[str], *, before: datetime) -> Prefixes:
    """Return the builds that wrote nothing since a moment, but for those that gave a version that is kept."""
    old = {run: entries for run, entries in runs.items() if newest(entries) <= before}
    return {run: entries for run, entries in old.items() if _result(gallery, run) not in kept}


def needed_keys(gallery: Store, version: str) -> set[str]:
    """Return the keys of all objects that a version refers to.

    Raises:
        GalleryError: its manifest cannot be read.
    """
    key = version_key(version, MANIFEST)
    try:
        manifest = Manifest.from_bytes(gallery.read(key), where=gallery.uri_of(key))
    except NotFound:  # another collector was there first
        return set()
    return {key, *(reference.key for reference in references(manifest))}


def references(manifest: Manifest) -> list[ObjectRef]:
    """Return all objects that a version consists of, the manifest itself aside, each once."""
    content = manifest.content
    found = [content.report, *(codebook.object for codebook in content.codebooks)]
    for part in content.segments:
        found += [part.vectors, part.thumbnails, part.tombstones, part.index, part.codes]
    return list({reference.key: reference for reference in found if reference is not None}.values())


def _result(gallery: Store, run: str) -> str | None:
    try:
        return str(json.loads(gallery.read(f"{WORK}/{run}/{DONE}"))["version"])
    except (NotFound, ValueError, KeyError, TypeError):
        return None
