"""Verifying: every object of a version is hashed and opened again, and its shards put together as a reader would."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sketchray.gallery.codebooks import Codebooks, codes_matrix, read_codebook
from sketchray.gallery.index import load_index
from sketchray.gallery.manifest import GalleryError, ObjectRef, Segment
from sketchray.gallery.publish import MANIFEST, gallery_store, list_versions, read_pointer, version_key
from sketchray.gallery.reader import Gallery, open_gallery
from sketchray.gallery.segment import (
    REPORT,
    THUMBNAILS,
    TOMBSTONES,
    codes_schema,
    read_object,
    read_table,
    vector_schema,
)
from sketchray.storage import NotFound, Store


class Problem(NamedTuple):
    """Something that is not as its manifest says.

    Attributes:
        version: the version that is affected.
        object: URI of the object, or of the gallery where objects do not fit together.
        reason: what is wrong.
    """

    version: str
    object: str
    reason: str


def verify(gallery: Gallery) -> list[Problem]:
    """Verify one version, a shard at a time.

    Returns:
        What is wrong, in the manifest's order; an object that several segments share is named once.
    """
    problems, rows = verify_codebooks(gallery), 0
    for shard in range(gallery.manifest.content.shards):
        found, counted = verify_shard(gallery, shard)
        problems += found
        rows += counted
    if not problems and rows != gallery.manifest.rows:
        reason = f"{rows} rows can be found where the manifest says {gallery.manifest.rows}"
        problems.append(Problem(gallery.version, gallery.store.uri_of(version_key(gallery.version, MANIFEST)), reason))
    return problems


def verify_all(store: Store, name: str) -> Iterator[tuple[str, list[Problem]]]:
    """Verify every version of a gallery that has a manifest, the current one first.

    Yields:
        The version, and what is wrong with it. An object is read again for each version that refers to it.

    Raises:
        GalleryError: ``CURRENT`` is not what a publisher writes.
    """
    place = gallery_store(store, name)
    pointer = read_pointer(place)
    current = pointer.version if pointer else None
    versions = list(list_versions(place))
    if current is not None and current not in versions:
        yield current, [Problem(current, place.uri_of(version_key(current, MANIFEST)), "it is missing, and current")]
    for version in sorted(versions, key=lambda version: (version != current, version)):
        try:
            gallery = open_gallery(store, name, None if version == current else version)
        except GalleryError as error:
            uri = place.uri_of(version_key(version, MANIFEST))
            yield version, [Problem(version, uri, str(error).removeprefix(f"{uri}: "))]
        else:
            yield version, verify(gallery)


def verify_codebooks(gallery: Gallery) -> list[Problem]:
    """Verify what belongs to no shard: the codebooks and the report."""
    content, check = gallery.manifest.content, _Checks(gallery)
    for book in content.codebooks:
        check.opens(book.object, read_codebook, book, dimension=content.dimension)
    if content.report is not None:
        check.opens(content.report, read_table, content.report, REPORT, sorted_by_id=False)
    return check.problems


def verify_shard(gallery: Gallery, shard: int) -> tuple[list[Problem], int]:
    """Verify every object of a shard, and that a reader can put them together.

    Returns:
        What is wrong, and the rows that can be found, 0 where anything is wrong.
    """
    check, rows = _Checks(gallery), 0
    with contextlib.suppress(GalleryError, NotFound):  # a problem of their own; without them codes mean nothing
        check.codebooks = gallery.codebooks()
    for segment in gallery.manifest.content.segments:
        if segment.shard == shard:
            check.segment(segment)
    if not check.problems and check.codebooks is not None:
        try:
            rows = gallery.shard(shard).rows
        except (ValueError, NotFound) as error:
            check.problems.append(Problem(gallery.version, gallery.store.uri, str(error)))
    return check.problems, rows


class _Checks:
    """What is found wrong while objects of one version are opened, each by the way that a reader takes."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery, self.problems = gallery, list[Problem]()
        content = gallery.manifest.content
        self.schema = vector_schema(content.dimension, content.columns)
        self.codebooks: Codebooks | None = None

    def opens(self, reference: ObjectRef, read: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what a reader makes of an object, or None, with a problem that names the object."""
        store = self.gallery.store
        uri = store.uri_of(reference.key)
        try:
            return read(store, *arguments, **options)
        except NotFound:
            reason = "the object is missing"
        except GalleryError as error:
            reason = str(error).removeprefix(f"{uri}: ")
        self.problems.append(Problem(self.gallery.version, uri, reason))
        return None

    def segment(self, segment: Segment) -> None:
        """Open every object of a segment."""
        self.opens(segment.vectors, read_table, segment.vectors, self.schema)
        self.opens(segment.thumbnails, read_table, segment.thumbnails, THUMBNAILS)
        if segment.tombstones is not None:
            self.opens(segment.tombstones, read_table, segment.tombstones, TOMBSTONES)
        if segment.index is not None:
            self.opens(segment.index, self._read_index, segment.index)
        if segment.codes is not None:
            self.opens(segment.codes, self._read_codes, segment.codes)

    def _read_index(self, store: Store, reference: ObjectRef) -> None:
        load_index(
            read_object(store, reference),
            rows=reference.rows,
            dimension=self.gallery.manifest.content.dimension,
            where=store.uri_of(reference.key),
        )

    def _read_codes(self, store: Store, reference: ObjectRef) -> None:
        read_object(store, reference)
        codebooks = self.codebooks
        if codebooks is None:
            return
        schema = codes_schema({name: codebooks[name].chunks for name in sorted(codebooks)})
        codes = read_table(store, reference, schema, sorted_by_id=False)
        for name, codebook in codebooks.items():
            if codes.num_rows and codes_matrix(codes, name).max() >= codebook.codewords:
                raise GalleryError(f"{store.uri_of(reference.key)}: a {name} code that the codebook does not have")
