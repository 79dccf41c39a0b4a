"""Two sample streams, one per modality, decoded and augmented on Ray Data's CPU workers.

What a step sees is a pure function of (seed, step): the global batch of step s is a slice of the epoch's permutation, a
rank takes its contiguous part of it, and every sample's augmentation draws from a generator of (seed, step, sample id).
So two workers see together what one would see alone, and a resumed run sees what an uninterrupted one would have seen.
"""

import functools
import logging
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import ray
import ray.data
from PIL import Image

from sketchray.config import Config
from sketchray.data.loading import SampleError, SampleLoader
from sketchray.data.multicrop import MultiCropConfig, crop_photo, crop_sketch
from sketchray.data.order import sample_rng, step_indices
from sketchray.data.sketch import Sketch
from sketchray.data.transforms import AugmentConfig, augment_photo, augment_sketch, prepare_photo, prepare_sketch

logger = logging.getLogger(__name__)

STEPS_PER_BLOCK = 8

Batch = dict[str, np.ndarray]


class StreamConfig(Config):
    """What one modality's stream delivers.

    Attributes:
        modality: which samples.
        batch_size: samples in a global step, over all ranks.
        image_size: side of the square pictures, pixels.
        augment: the training augmentation, or None for the plain preparation that evaluation uses.
        seed: seed of order and augmentation.
        crops: many views of each sample, for methods that learn from them; they take the place of ``augment``.
    """

    modality: Literal["sketch", "photo"]
    batch_size: int
    image_size: int
    augment: AugmentConfig | None
    seed: int
    crops: MultiCropConfig | None = None


class DecodeResources(Config):
    """What one stream may take of the cluster: ``cpus`` logical CPUs a decoding task, ``tasks`` of them at once."""

    cpus: float = 0.25
    tasks: int = 1


def step_batches(
    samples: pa.Table, config: StreamConfig, *, steps: range, rank: int, world_size: int, resources: DecodeResources
) -> Iterator[Batch]:
    """Yield this rank's part of each step, in order of step.

    Args:
        samples: one modality's rows (``id``, ``uri``, ``label`` int64), sorted by id.
        config: the stream.
        steps: the global steps to deliver, so a resumed run starts where it stopped.
        rank: this worker, 0 to ``world_size - 1``.
        world_size: number of workers; it must divide the batch.
        resources: what decoding may take.

    Yields:
        ``image`` (B, 3, S, S) uint8, ``label`` (B,) int64, ``id`` (B,) str, ``unreadable`` (B,) bool, where B is
        ``batch_size / world_size``. An unreadable sample is replaced by the next readable row of the table and marked.
        With ``crops``, ``globals`` (B, Vg, 3, S, S) and, where there are any, ``locals`` (B, Vl, 3, s, s) take the
        place of ``image``.

    Raises:
        ValueError: the batch cannot be divided, or there are no samples.
    """
    if config.batch_size % world_size:
        raise ValueError(f"{config.modality} batch {config.batch_size} cannot be divided by {world_size} workers")
    part = config.batch_size // world_size

    def rows_of(step: int) -> np.ndarray:
        rows = step_indices(
            samples.num_rows, seed=config.seed, step=step, batch_size=config.batch_size, stream=config.modality
        )
        return rows[rank * part : (rank + 1) * part]

    blocks = []
    for first in range(steps.start, steps.stop, STEPS_PER_BLOCK):
        block = range(first, min(first + STEPS_PER_BLOCK, steps.stop))
        rows = np.concatenate([rows_of(step) for step in block])
        blocks.append(pa.table({"step": np.repeat(list(block), part), "row": rows}))
    return _stream(samples, config, blocks, part, resources)


def every_sample(
    samples: pa.Table, config: StreamConfig, *, rank: int, world_size: int, resources: DecodeResources
) -> Iterator[Batch]:
    """Yield this rank's share of all samples, each once, in batches like those of :func:`step_batches`."""
    rows = np.arange(rank, samples.num_rows, world_size)
    part = max(1, config.batch_size // world_size)
    size = part * STEPS_PER_BLOCK
    blocks = [
        pa.table({"step": np.zeros(len(chunk), dtype=np.int64), "row": chunk})
        for chunk in (rows[first : first + size] for first in range(0, len(rows), size))
    ]
    return _stream(samples, config, blocks, part, resources)


def _stream(
    samples: pa.Table, config: StreamConfig, blocks: list[pa.Table], part: int, resources: DecodeResources
) -> Iterator[Batch]:
    if samples.num_rows == 0:
        raise ValueError(f"no {config.modality} to train on: the table has no such rows in this split")
    if not blocks:
        return
    decode = functools.partial(_decode, samples=ray.put(samples), config=config)
    stream = ray.data.from_arrow(blocks).map_batches(
        decode,
        batch_format="pyarrow",
        batch_size=None,
        num_cpus=resources.cpus,
        compute=ray.data.TaskPoolStrategy(size=resources.tasks),
    )
    stream.context.execution_options.preserve_order = True
    yield from stream.iter_batches(batch_size=part, batch_format="numpy", prefetch_batches=2)


def _decode(plan: pa.Table, *, samples: Any, config: StreamConfig) -> dict[str, np.ndarray]:
    table = ray.get(samples)
    loader = SampleLoader.shared()
    steps, rows = plan["step"].to_numpy(), plan["row"].to_numpy()
    pictures = [_pictures(table, int(row), int(step), loader, config) for step, row in zip(steps, rows, strict=True)]
    used = np.array([row for _, row in pictures], dtype=np.int64)
    return {
        **{name: np.stack([views[name] for views, _ in pictures]) for name in pictures[0][0]},
        "label": table["label"].to_numpy()[used],
        "id": np.array(table["id"].take(used).to_pylist()),
        "unreadable": used != rows,
    }


def _pictures(table: pa.Table, row: int, step: int, loader: SampleLoader, config: StreamConfig) -> tuple[Batch, int]:
    """Decode and augment one row, or the next readable one after it; return its pictures and the row they came from."""
    for offset in range(table.num_rows):
        candidate = (row + offset) % table.num_rows
        try:
            return _views(table, candidate, step, loader, config), candidate
        except SampleError as error:
            logger.warning("training sample left out: %s", error)
    raise ValueError(f"not one {config.modality} of the {table.num_rows} in this table can be read")


def _views(table: pa.Table, row: int, step: int, loader: SampleLoader, config: StreamConfig) -> Batch:
    uri, size = table["uri"][row].as_py(), config.image_size
    rng = sample_rng(config.seed, step, table["id"][row].as_py())
    sample = loader.sketch(uri) if config.modality == "sketch" else loader.photo(uri)
    if config.crops is None:
        return {"image": _picture(sample, size, rng, config.augment)}
    if isinstance(sample, Image.Image):
        large, small = crop_photo(sample, size, rng, config.crops)
    else:
        large, small = crop_sketch(sample, size, rng, config.crops)
    return {"globals": large} | ({"locals": small} if len(small) else {})


def _picture(
    sample: Sketch | Image.Image, size: int, rng: np.random.Generator, augment: AugmentConfig | None
) -> np.ndarray:
    if isinstance(sample, Image.Image):
        return prepare_photo(sample, size) if augment is None else augment_photo(sample, size, rng, augment)
    return prepare_sketch(sample, size) if augment is None else augment_sketch(sample, size, rng, augment)
