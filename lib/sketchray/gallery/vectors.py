"""The vectors of a segment in memory, held once.

Shape legend: N rows, L live rows, D dimensions.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sketchray.gallery.manifest import ObjectRef
from sketchray.gallery.segment import check_order, open_table
from sketchray.storage import Store

BATCH = 1 << 14  # rows decoded, or moved, at a time


def read_vectors(gallery: Store, reference: ObjectRef, schema: pa.Schema) -> tuple[pa.Table, npt.NDArray[np.float32]]:
    """Read a vectors object: its other columns, and embedding_ND, decoded straight into the array that is kept.

    Raises:
        GalleryError: truncated, altered, or not the table that the manifest describes; the object is named.
        NotFound: the object is gone.
    """
    file = open_table(gallery, reference, schema)
    columns = file.read([name for name in schema.names if name != "embedding"])
    embedding_ND = np.empty((reference.rows, schema.field("embedding").type.list_size), np.float32)
    start = 0
    for batch in file.iter_batches(BATCH, columns=["embedding"]):
        flat = batch["embedding"].flatten().to_numpy()
        embedding_ND[start : start + batch.num_rows] = flat.reshape(batch.num_rows, -1)
        start += batch.num_rows
    check_order(columns, where=gallery.uri_of(reference.key))
    return columns, embedding_ND


def squeeze(embedding_ND: npt.NDArray[np.float32], live_N: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the live rows (L, D), moved to the front in place: the array given is used up."""
    end = 0
    for start in range(0, len(embedding_ND), BATCH):
        kept = embedding_ND[start : start + BATCH][live_N[start : start + BATCH]]  # a copy: the places overlap
        embedding_ND[end : end + len(kept)] = kept
        end += len(kept)
    return embedding_ND[:end]
