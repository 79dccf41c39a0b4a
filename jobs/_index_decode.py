"""Reading and decoding one part: from listed pictures to pixels, thumbnails, and reasons why there are none.

A decoded part is one row of a table, so that no later stage of Ray Data can cut it. Shape legend: N pictures, S side.
"""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from PIL import Image

from sketchray.data.images import ImageError, decode_image, to_rgb
from sketchray.data.transforms import draft_side, prepare_photo
from sketchray.storage import AccessDenied, NotFound, read_uri

JPEG_QUALITY = 85
Decoded = tuple[bytes, dict[str, str] | None]  # a small JPEG and None, or nothing and the stage and reason of a problem


def decode_part(pictures: pa.Table, *, size: int, thumbnail: int, readers: int) -> pa.Table:
    """Read and decode one part.

    Args:
        pictures: rows of a listing with their metadata and ``part``.
        size: side of the encoder's input, pixels.
        thumbnail: longest side of a thumbnail, pixels.
        readers: threads.

    Returns:
        One row: ``part``; ``rows``, the readable pictures' rows and their ``jpeg`` as an Arrow stream; ``pixels``,
        theirs, uint8 (N, 3, S, S); ``problems`` of the others, JSON; ``seconds`` that it took.
    """
    started = time.perf_counter()
    part, uris = pictures["part"][0].as_py(), pictures["uri"].to_pylist()
    pixels_N3SS = np.empty((len(uris), 3, size, size), dtype=np.uint8)
    with ThreadPoolExecutor(readers) as pool:
        decoded = list(pool.map(lambda row: read_picture(uris[row], pixels_N3SS[row], thumbnail), range(len(uris))))
    good_N = np.array([problem is None for _, problem in decoded])
    jpegs = pa.array([jpeg for jpeg, problem in decoded if problem is None], pa.large_binary())
    rows = pictures.drop_columns(["part"]).filter(pa.array(good_N)).append_column("jpeg", jpegs)
    problems = [{"uri": uri} | problem for uri, (_, problem) in zip(uris, decoded, strict=True) if problem]
    if problems:
        pixels_N3SS = pixels_N3SS[good_N]
    return pa.table(
        {
            "part": [part],
            "rows": pa.array([to_stream(rows)], pa.large_binary()),
            "pixels": one_value(pixels_N3SS),
            "problems": [json.dumps(problems)],
            "seconds": [time.perf_counter() - started],
        }
    )


def read_picture(uri: str, pixels_3SS: np.ndarray, thumbnail: int) -> Decoded:
    """Read and decode a picture into ``pixels_3SS``, and make its thumbnail.

    Only what is wrong with the picture itself is a reason; a store that does not answer ends the run.
    """
    try:
        data = read_uri(uri)
    except NotFound:
        return b"", {"stage": "read", "reason": "it is gone since the source was listed"}
    except AccessDenied:
        return b"", {"stage": "read", "reason": "access denied"}
    try:
        enough = max(draft_side(pixels_3SS.shape[-1]), thumbnail)
        image = to_rgb(decode_image(data, draft_size=enough))
    except ImageError as error:
        return b"", {"stage": "decode", "reason": str(error)}
    pixels_3SS[:] = prepare_photo(image, pixels_3SS.shape[-1])
    image.thumbnail((thumbnail, thumbnail), Image.Resampling.BICUBIC)
    small = io.BytesIO()
    image.save(small, "JPEG", quality=JPEG_QUALITY)
    return small.getvalue(), None


def to_stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def one_value(array: np.ndarray) -> pa.Array:
    """Return a column of one binary value that shares the array's memory."""
    offsets = pa.py_buffer(np.array([0, array.nbytes], dtype=np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(array)])
