"""From listed pictures to finished parts: Ray Data tasks read and decode, actors embed and keep.

A part travels as one row from its decoding to its embedding, so that no stage can cut it.
"""

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa
import ray.data
from PIL import Image

from jobs._index_config import IndexConfig
from jobs._index_parts import Parts, Summary, part_rows
from sketchray.data.images import ImageError, decode_image, to_rgb
from sketchray.data.loading import DRAFT
from sketchray.data.transforms import prepare_photo
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import AccessDenied, NotFound, Store

JPEG_QUALITY = 85


def embed_parts(
    pictures: pa.Table, source: Store, parts: Parts, config: IndexConfig, *, image_size: int, encoder: str
) -> Iterator[Summary]:
    """Embed every part that is not finished yet; yield each summary, the finished ones first.

    Args:
        pictures: all of them, sorted by id.
        source: where they are.
        parts: where parts are kept.
        config: the build.
        image_size: side of the encoder's input, pixels.
        encoder: what `load_encoder` takes.
    """
    finished = parts.finished()
    yield from finished.values()
    pending = [
        pictures.slice(part * config.part_size, config.part_size).append_column("part", pa.array([part] * rows))
        for part, rows in enumerate(part_rows(pictures.num_rows, config.part_size))
        if part not in finished
    ]
    if not pending:
        return
    resources = config.resources
    decode = partial(decode_part, source=source, size=image_size, thumbnail=config.thumbnail, readers=resources.readers)
    arguments = {"encoder": encoder, "parts": parts, "batch_size": config.batch_size, "threads": resources.threads}
    blocks = ray.data.from_arrow(pending)
    blocks.context.enable_progress_bars = False
    stream = blocks.map_batches(
        decode,
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=resources.decode_cpus,
        compute=ray.data.TaskPoolStrategy(size=resources.decode_tasks),
    ).map_batches(
        Embedder,
        fn_constructor_kwargs=arguments,
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=resources.actor_cpus,
        num_gpus=resources.actor_gpus or None,
        compute=ray.data.ActorPoolStrategy(size=min(resources.actors, len(pending))),
    )
    for row in stream.iter_rows():
        yield Summary(**json.loads(row["summary"]))


def decode_part(block: pa.Table, *, source: Store, size: int, thumbnail: int, readers: int) -> pa.Table:
    """Read and decode one part; return it as one row, which no later stage can split.

    Args:
        block: rows of `LISTING` and ``part``.
        source: where they are.
        size: side of the encoder's input, pixels.
        thumbnail: longest side of a thumbnail, pixels.
        readers: threads.
    """
    started = time.perf_counter()
    items = block.to_pylist()
    with ThreadPoolExecutor(readers) as pool:
        pictures = list(pool.map(lambda item: read_picture(source, item["key"], size, thumbnail), items))
    kept, pixels, problems = [], [], []
    for item, (square, jpeg, stage, reason) in zip(items, pictures, strict=True):
        if stage:
            problems.append({"uri": item["uri"], "stage": stage, "reason": reason})
        else:
            kept.append({name: item[name] for name in ("id", "uri", "etag", "label")} | {"jpeg": jpeg})
            pixels.append(square.tobytes())
    return pa.table(
        {
            "part": [items[0]["part"]],
            "size": [size],
            "kept": pa.array([kept], type=pa.list_(pa.struct(list(row_schema(1).remove(4))))),
            "pixels": pa.array([b"".join(pixels)], type=pa.large_binary()),
            "problems": [json.dumps(problems)],
            "decode_s": [time.perf_counter() - started],
        }
    )


def read_picture(source: Store, key: str, size: int, thumbnail: int) -> tuple[np.ndarray, bytes, str, str]:
    """Return (uint8 (3, size, size), small JPEG, "", "") of a picture, or (nothing, nothing, stage, reason).

    Only what is wrong with the picture itself is a reason; a store that does not answer ends the build.
    """
    nothing = np.empty(0, dtype=np.uint8)
    try:
        data = source.read(key)
    except NotFound:
        return nothing, b"", "read", "it is gone since the source was listed"
    except AccessDenied:
        return nothing, b"", "read", "access denied"
    try:
        image = to_rgb(decode_image(data, draft_size=DRAFT))
    except ImageError as error:
        return nothing, b"", "decode", str(error)
    square = prepare_photo(image, size)
    image.thumbnail((thumbnail, thumbnail), Image.Resampling.BICUBIC)
    small = io.BytesIO()
    image.save(small, "JPEG", quality=JPEG_QUALITY)
    return square, small.getvalue(), "", ""


class Embedder:
    """An actor that loads the encoder once and turns decoded parts into kept ones."""

    def __init__(self, *, encoder: str, parts: Parts, batch_size: int, threads: int) -> None:
        import torch

        from sketchray.encoders import load_encoder

        torch.set_num_threads(threads)
        self._device = "cuda" if ray.get_gpu_ids() else "cpu"
        self._encoder = load_encoder(encoder).to(self._device).eval()
        self._parts, self._batch_size = parts, batch_size

    def __call__(self, decoded: pa.Table) -> pa.Table:
        started = time.perf_counter()
        row = {name: decoded[name][0] for name in decoded.schema.names}
        kept, size = row["kept"].as_py(), row["size"].as_py()
        pixels = np.frombuffer(row["pixels"].as_buffer(), dtype=np.uint8).reshape(len(kept), 3, size, size)
        embedding_ND = self.embed(pixels)
        schema = row_schema(embedding_ND.shape[1])
        columns = {name: [picture.get(name) for picture in kept] for name in schema.names}
        columns["embedding"] = embedding_column(embedding_ND)
        seconds = {"decode": row["decode_s"].as_py(), "embed": time.perf_counter() - started}
        summary = Summary(row["part"].as_py(), len(kept), json.loads(row["problems"].as_py()), seconds)
        self._parts.write(summary, pa.table(columns, schema=schema))
        return pa.table({"summary": [json.dumps(summary._asdict())]})

    def embed(self, images_N3SS: np.ndarray) -> np.ndarray:
        """Return embedding_ND, in batches that start anew with every part."""
        import torch

        chunks = [np.empty((0, self._encoder.dim), dtype=np.float32)]
        with torch.inference_mode():
            for first in range(0, len(images_N3SS), self._batch_size):
                images = torch.tensor(images_N3SS[first : first + self._batch_size], device=self._device)
                photo_B = torch.ones(len(images), dtype=torch.bool, device=self._device)
                chunks.append(self._encoder(images, photo_B).float().cpu().numpy())
        return np.concatenate(chunks)
