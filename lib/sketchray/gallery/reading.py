"""From the objects of a shard to its parts in memory: every object checked first, tombstones applied.

Shape legend: N rows, L live rows, D dimensions, M chunks.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.codebooks import Codebooks, codes_matrix
from sketchray.gallery.index import load_index
from sketchray.gallery.manifest import GalleryError, Segment
from sketchray.gallery.part import Part
from sketchray.gallery.segment import THUMBNAILS, TOMBSTONES, codes_schema, read_object, read_table
from sketchray.gallery.vectors import read_vectors, squeeze
from sketchray.ranking.codebook import Codes
from sketchray.storage import Store


def with_gone(gallery: Store, segments: Sequence[Segment]) -> Iterator[tuple[Segment, pa.Array]]:
    """Yield a shard's segments, the last first, each with the ids that later ones took from it.

    Raises:
        GalleryError: tombstones that are not what the manifest says; the object is named.
    """
    gone = pa.array([], pa.string())
    for segment in reversed(segments):
        yield segment, gone
        if segment.tombstones is not None:
            new = read_table(gallery, segment.tombstones, TOMBSTONES)["id"].combine_chunks()
            gone = pa.concat_arrays([gone, new])


def alive(table: pa.Table, gone: pa.Array) -> pa.Table:
    """Return the rows of a segment that no later segment took."""
    return table.filter(pc.invert(pc.is_in(table["id"], value_set=gone))) if len(gone) else table


def _live(table: pa.Table, gone: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.invert(pc.is_in(table["id"], value_set=gone)).to_numpy(), dtype=np.bool_)


def read_part(gallery: Store, segment: Segment, gone: pa.Array, schema: pa.Schema, codebooks: Codebooks) -> Part:
    """Read one segment into memory.

    Without an index dead rows are dropped; an index knows rows by their number, so they stay, and are passed over.

    Raises:
        GalleryError: an object that is not what the manifest says; it is named.
        NotFound: an object is gone.
    """
    columns, embedding_ND = read_vectors(gallery, segment.vectors, schema)
    thumbnails = read_table(gallery, segment.thumbnails, THUMBNAILS)
    if not thumbnails["id"].equals(columns["id"]):
        raise GalleryError(f"{gallery.uri_of(segment.thumbnails.key)}: not the vectors' ids")
    codes, index = _read_codes(gallery, segment, codebooks), None
    if segment.index is not None:
        data, where = read_object(gallery, segment.index), gallery.uri_of(segment.index.key)
        index = load_index(data, rows=len(embedding_ND), dimension=embedding_ND.shape[1], where=where)
    live_N: npt.NDArray[np.bool_] = _live(columns, gone)
    if index is None and not live_N.all():
        columns, embedding_ND = columns.filter(pa.array(live_N)), squeeze(embedding_ND, live_N)
        codes = {name: codes_NM[live_N] for name, codes_NM in codes.items()}
        live_N = live_N[live_N]
    try:
        return Part(
            columns,
            embedding_ND,
            thumbnails,
            {name: (codebooks[name], codes_NM) for name, codes_NM in codes.items()},
            index=index,
            live_N=None if live_N.all() else live_N,
        )
    except ValueError as error:
        raise GalleryError(f"{gallery.uri_of(segment.vectors.key)}: {error}") from error


def _read_codes(gallery: Store, segment: Segment, codebooks: Codebooks) -> dict[str, Codes]:
    if segment.codes is None:
        return {}
    schema = codes_schema({name: codebook.chunks for name, codebook in sorted(codebooks.items())})
    table = read_table(gallery, segment.codes, schema, sorted_by_id=False)
    return {name: codes_matrix(table, name) for name in codebooks}
