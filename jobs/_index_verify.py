"""``verify``: every object of a version is hashed and opened again, in a task a shard."""

from collections.abc import Iterator
from typing import Any

from jobs._cluster import connect
from jobs._index_config import IndexResources
from jobs._index_tasks import run_tasks
from sketchray.config import Config
from sketchray.gallery import Gallery, GalleryError, gallery_store, open_gallery, read_pointer
from sketchray.gallery.publish import MANIFEST, list_versions, version_key
from sketchray.gallery.verify import Problem, verify_codebooks, verify_shard
from sketchray.storage import Store, default_store

NAMED = 100  # problems in a result


class VerifyConfig(Config):
    """A verification.

    Attributes:
        gallery: its name.
        version: which version; None for the current one.
        all: every version that is there.
        resources: what it takes of the cluster.
    """

    gallery: str
    version: str | None = None
    all: bool = False
    resources: IndexResources = IndexResources()


def verify(config: VerifyConfig) -> dict[str, Any]:
    """Verify one version or all; the result's status is ``damaged`` where anything is not as its manifest says."""
    store = default_store()
    connect()
    versions, problems = 0, list[Problem]()
    for gallery in galleries(store, config):
        versions += 1
        problems += [gallery] if isinstance(gallery, Problem) else problems_of(gallery, config.resources)
    return {
        "gallery": config.gallery,
        "status": "damaged" if problems else "whole",
        "versions": versions,
        "problems": len(problems),
        "problems_first": [problem._asdict() for problem in problems[:NAMED]],
    }


def galleries(store: Store, config: VerifyConfig) -> Iterator[Gallery | Problem]:
    """Yield the versions to verify, the current one first; of one that does not open, what is wrong with it.

    Raises:
        GalleryError: there is no such gallery or version.
    """
    if not config.all:
        yield open_gallery(store, config.gallery, config.version)
        return
    place = gallery_store(store, config.gallery)
    pointer = read_pointer(place)
    if pointer is None:
        yield open_gallery(store, config.gallery)  # which says what galleries there are
        return
    for version in [pointer.version, *(other for other in list_versions(place) if other != pointer.version)]:
        try:
            yield open_gallery(store, config.gallery, None if version == pointer.version else version)
        except GalleryError as error:
            uri = place.uri_of(version_key(version, MANIFEST))
            yield Problem(version, uri, str(error).removeprefix(f"{uri}: "))


def problems_of(gallery: Gallery, resources: IndexResources) -> list[Problem]:
    """Verify one version."""
    problems, rows = verify_codebooks(gallery), 0
    for found, counted in run_tasks(verify_step, range(gallery.manifest.content.shards), resources, gallery=gallery):
        problems += found
        rows += counted
    if not problems and rows != gallery.manifest.rows:
        uri = gallery.store.uri_of(version_key(gallery.version, MANIFEST))
        reason = f"{rows} rows can be found where the manifest says {gallery.manifest.rows}"
        problems.append(Problem(gallery.version, uri, reason))
    return problems


def verify_step(shard: int, *, gallery: Gallery) -> tuple[list[Problem], int]:
    """Verify one shard."""
    return verify_shard(gallery, shard)
