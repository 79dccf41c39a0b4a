"""Opening a gallery version: its shards, its live rows, its codebooks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.codebooks import Codebooks, read_codebook
from sketchray.gallery.manifest import GalleryError, Manifest, Segment
from sketchray.gallery.publish import gallery_store, list_galleries, read_pointer, version_key
from sketchray.gallery.segment import THUMBNAILS, TOMBSTONES, read_table, vector_schema
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
            columns: of `vector_schema`, in the order wanted; all if not given.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        schema = vector_schema(self.manifest.content.dimension, self.manifest.content.columns)
        rows = schema.empty_table()
        for segment in self._segments(index):
            new = read_table(self.store, segment.vectors, schema)
            rows = pa.concat_tables([self._without(rows, segment), new])
        if pc.count_distinct(rows["id"]).as_py() != rows.num_rows:
            raise GalleryError(f"{self.store.uri}: an id of shard {index} lives in two segments")
        rows = rows.sort_by("id")
        return rows if columns is None else rows.select(list(columns))

    def shard(self, index: int) -> Shard:
        """Read one shard into memory, every object checked against its hash first.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        thumbnails = THUMBNAILS.empty_table()
        for segment in self._segments(index):
            new = read_table(self.store, segment.thumbnails, THUMBNAILS)
            thumbnails = pa.concat_tables([self._without(thumbnails, segment), new])
        rows = self.live(index)
        if not rows["id"].equals(thumbnails.sort_by("id")["id"]):
            raise GalleryError(f"{self.store.uri}: the thumbnails of shard {index} are not the vectors' ids")
        return Shard(rows, thumbnails)

    def _segments(self, index: int) -> list[Segment]:
        content = self.manifest.content
        if not 0 <= index < content.shards:
            raise GalleryError(f"gallery {self.manifest.name} has no shard {index}, only 0 to {content.shards - 1}")
        return [segment for segment in content.segments if segment.shard == index]

    def _without(self, table: pa.Table, segment: Segment) -> pa.Table:
        if segment.tombstones is None:
            return table
        gone = read_table(self.store, segment.tombstones, TOMBSTONES)["id"].combine_chunks()
        return table.filter(pc.invert(pc.is_in(table["id"], value_set=gone)))


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
            known = ", ".join(list_galleries(store)) or "none"
            raise GalleryError(f"{store.uri}: no gallery {name!r} has been published; there are: {known}")
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
