"""Opening a gallery version, searching its shards, merging their answers."""

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.manifest import GalleryError, Manifest
from sketchray.gallery.publish import gallery_store, list_galleries, read_pointer, version_key
from sketchray.gallery.segment import THUMBNAILS, TOMBSTONES, embedding_matrix, read_table, vector_schema
from sketchray.ranking.nearest import Nearest
from sketchray.storage import NotFound, Store


class Hit(NamedTuple):
    """One answer: higher scores are better (cosine similarity)."""

    id: str
    score: float
    uri: str
    label: str | None


def merge(answers: Iterable[list[Hit]], k: int) -> list[Hit]:
    """Merge the shards' answers to one query: the best k, by score and then by id."""
    return heapq.nsmallest(k, (hit for answer in answers for hit in answer), key=lambda hit: (-hit.score, hit.id))


class Shard:
    """One shard's live rows in memory: base and deltas put together, sorted by id."""

    def __init__(self, rows: pa.Table, thumbnails: pa.Table) -> None:
        self._id: list[str] = rows["id"].to_pylist()
        self._uri, self._label = rows["uri"], rows["label"]
        self._nearest = Nearest(embedding_matrix(rows))
        self._jpeg = thumbnails["jpeg"]
        self._place = {sample_id: place for place, sample_id in enumerate(thumbnails["id"].to_pylist())}

    @property
    def rows(self) -> int:
        """Number of pictures that can be found."""
        return len(self._id)

    def search(self, query_BD: np.ndarray, k: int) -> list[list[Hit]]:
        """Return the best k rows of each query, best first, ties by id.

        Raises:
            ValueError: k below 1, or queries that are not unit vectors of the gallery's dimension.
        """
        score_BK, row_BK = self._nearest.search(query_BD, k)
        return [
            [self._hit(row, score) for row, score in zip(rows, scores, strict=True)]
            for rows, scores in zip(row_BK.tolist(), score_BK.tolist(), strict=True)
        ]

    def _hit(self, row: int, score: float) -> Hit:
        return Hit(self._id[row], score, self._uri[row].as_py(), self._label[row].as_py())

    def thumbnail(self, sample_id: str) -> bytes | None:
        """Return a picture's small JPEG, or None where this shard has no such picture."""
        place = self._place.get(sample_id)
        return None if place is None else bytes(self._jpeg[place].as_py())


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

    def shard(self, index: int) -> Shard:
        """Read one shard into memory, every object checked against its hash first.

        Raises:
            GalleryError: no such shard, or an object that is not what the manifest says.
        """
        content = self.manifest.content
        if not 0 <= index < content.shards:
            raise GalleryError(f"gallery {self.manifest.name} has no shard {index}, only 0 to {content.shards - 1}")
        rows, thumbnails = vector_schema(content.dimension).empty_table(), THUMBNAILS.empty_table()
        for segment in content.segments:
            if segment.shard != index:
                continue
            if segment.tombstones is not None:
                gone = read_table(self.store, segment.tombstones, TOMBSTONES)["id"]
                rows, thumbnails = _without(rows, gone), _without(thumbnails, gone)
            new = read_table(self.store, segment.vectors, vector_schema(content.dimension))
            pictures = read_table(self.store, segment.thumbnails, THUMBNAILS)
            if not new["id"].equals(pictures["id"]):
                raise GalleryError(f"{self.store.uri_of(segment.thumbnails.key)}: not the vectors' ids")
            rows, thumbnails = pa.concat_tables([rows, new]), pa.concat_tables([thumbnails, pictures])
        if pc.count_distinct(rows["id"]).as_py() != rows.num_rows:
            raise GalleryError(f"{self.store.uri}: an id of shard {index} lives in two segments")
        return Shard(rows.sort_by("id"), thumbnails)


def _without(table: pa.Table, gone: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["id"], value_set=gone.combine_chunks())))


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
