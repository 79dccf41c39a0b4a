"""Opening a gallery version: its shards, its live rows, its codebooks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.codebooks import Codebooks, read_codebook
from sketchray.gallery.manifest import GalleryError, Manifest, Segment
from sketchray.gallery.publish import gallery_store, no_gallery, read_pointer, version_key
from sketchray.gallery.reading import alive, read_part, with_gone
from sketchray.gallery.segment import THUMBNAILS, read_table, vector_schema
from sketchray.gallery.shard import Shard
from sketchray.storage import NotFound, Store


@dataclass(frozen=True)
class Gallery:
    """One version of a gallery. A small picklable value: shards are read when they are asked for."""

    store: Store
    manifest: Manifest

    @property
    def version(self) -> str:
        """The version's digest."""
        return self.manifest.version

    @property
    def schema(self) -> pa.Schema:
        """The columns of the rows, metadata and embedding among them."""
        return vector_schema(self.manifest.content.dimension, self.manifest.content.columns)

    def check_encoder(self, fingerprint: str) -> None:
        """Refuse an encoder whose embeddings cannot be compared with the gallery's.

        Raises:
            GalleryError: another fingerprint than the gallery's.
        """
        encoder = self.manifest.encoder
        if fingerprint != encoder.fingerprint:
            raise GalleryError(
                f"gallery {self.manifest.name} was embedded by {encoder.uri} ({encoder.fingerprint}); "
                f"the query encoder is {fingerprint}: their similarities mean nothing"
            )

    def codebooks(self) -> Codebooks:
        """Read the gallery's codebooks.

        Raises:
            GalleryError: an object that is not what the manifest says.
        """
        content = self.manifest.content
        return {
            reference.name: read_codebook(self.store, reference, dimension=content.dimension)
            for reference in content.codebooks
        }

    def live(self, index: int, *, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows of one shard that can be found: deltas added, tombstones applied; sorted by id.

        Args:
            index: the shard.
            columns: of `schema`, in the order wanted; all if not given.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        names = self.schema.names if columns is None else list(columns)
        read = list(dict.fromkeys(["id", *names]))  # the ids say what is live
        empty = pa.table([[] for _ in read], schema=pa.schema([self.schema.field(name) for name in read]))
        parts = [
            alive(read_table(self.store, segment.vectors, self.schema, columns=read), gone)
            for segment, gone in with_gone(self.store, self._segments(index))
        ]
        rows = pa.concat_tables([empty, *parts])
        self._check_once(index, [rows["id"]])
        return _by_id(rows, len(parts)).select(names)

    def thumbnails(self, index: int) -> pa.Table:
        """Read the ids and small JPEGs of those rows of a shard that can be found, sorted by id.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        parts = [
            alive(read_table(self.store, segment.thumbnails, THUMBNAILS), gone)
            for segment, gone in with_gone(self.store, self._segments(index))
        ]
        return _by_id(pa.concat_tables([THUMBNAILS.empty_table(), *parts]), len(parts))

    def shard(self, index: int) -> Shard:
        """Read one shard into memory, every object checked against its hash first.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        segments, codebooks = self._segments(index), self.codebooks()
        parts = [
            read_part(self.store, segment, gone, self.schema, codebooks)
            for segment, gone in with_gone(self.store, segments)
        ]
        self._check_once(index, [part.ids for part in parts])
        pa.default_memory_pool().release_unused()  # decoding took a few hundred MiB, which the pool would keep
        return Shard(parts, self.schema, codebooks)

    def _segments(self, index: int) -> list[Segment]:
        content = self.manifest.content
        if not 0 <= index < content.shards:
            raise GalleryError(f"gallery {self.manifest.name} has no shard {index}, only 0 to {content.shards - 1}")
        return [segment for segment in content.segments if segment.shard == index]

    def _check_once(self, index: int, ids: Sequence[pa.ChunkedArray]) -> None:
        every = pa.chunked_array([chunk for part in ids for chunk in part.chunks], pa.string())
        if pc.count_distinct(every).as_py() != len(every):
            raise GalleryError(f"{self.store.uri}: an id of shard {index} lives in two segments")


def _by_id(table: pa.Table, segments: int) -> pa.Table:
    return table if segments == 1 else table.sort_by("id")  # a segment is sorted, and sorting it again copies it


def open_gallery(store: Store, name: str, version: str | None = None) -> Gallery:
    """Open a gallery's current version, or a given one.

    Args:
        store: where the galleries are.
        name: the gallery.
        version: a version's digest; None for the current one.

    Raises:
        GalleryError: no such gallery or version, or a manifest that is not the published one.
    """
    gallery = gallery_store(store, name)
    expected = None
    if version is None:
        pointer = read_pointer(gallery)
        if pointer is None:
            raise no_gallery(store, name)
        version, expected = pointer.version, pointer.manifest_sha256
    key = version_key(version, "manifest.json")
    try:
        data = gallery.read(key)
    except NotFound as error:
        raise GalleryError(f"{gallery.uri}: there is no version {version}") from error
    if expected is not None and hashlib.sha256(data).hexdigest() != expected:
        raise GalleryError(f"{gallery.uri_of(key)}: its SHA-256 is not the published one; the manifest was altered")
    manifest = Manifest.from_bytes(data, where=gallery.uri_of(key))
    if (manifest.name, manifest.version) != (name, version):
        raise GalleryError(f"{gallery.uri_of(key)}: the manifest of {manifest.name} version {manifest.version}")
    return Gallery(gallery, manifest)
