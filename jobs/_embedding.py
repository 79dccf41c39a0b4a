"""Embed a table of samples with Ray Data: tasks read and draw them, actors run the encoders.

Several encoders of one image size share the reading; what cannot be read is left out for all of them and named.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray.data

from jobs._evaluate_config import EmbedResources
from sketchray.data.loading import SampleError, SampleLoader
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.evaluation import Unreadable

Batch = dict[str, npt.NDArray[np.generic]]


class Embedded(NamedTuple):
    """What came of the samples: their ids, and one matrix of unit rows (N, D) an encoder, in that order."""

    ids: list[str]
    vectors: list[npt.NDArray[np.float32]]
    unreadable: list[Unreadable]


def embed_samples(
    samples: pa.Table,
    encoders: Sequence[str],
    *,
    image_size: int,
    batch_size: int,
    resources: EmbedResources,
    progress: Callable[[int], object] | None = None,
) -> Embedded:
    """Embed every readable sample, the same batches each time.

    Args:
        samples: rows with ``id``, ``uri`` and ``modality``.
        encoders: what ``load_encoder`` takes; all for pictures of ``image_size``.
        image_size: side of their input, pixels.
        batch_size: samples embedded at once.
        resources: what it may take of the cluster.
        progress: told the number of samples of each finished batch.

    Returns:
        The readable samples, sorted by id.
    """
    # Rows of one file (``uri#row``) stay together, so that a task opens few files.
    rows = samples.select(["id", "uri", "modality"]).sort_by("uri").combine_chunks()
    blocks = [rows.slice(first, batch_size) for first in range(0, rows.num_rows, batch_size)]
    source = ray.data.from_arrow(blocks)
    source.context.enable_progress_bars = False
    stream = source.map_batches(
        partial(_draw, size=image_size),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=resources.decode_cpus,
        compute=ray.data.TaskPoolStrategy(size=resources.decode_tasks),
    ).map_batches(
        _Encoders,
        fn_constructor_args=(list(encoders), resources.threads),
        batch_size=None,
        batch_format="numpy",
        num_cpus=resources.actor_cpus,
        num_gpus=resources.actor_gpus or None,
        compute=ray.data.ActorPoolStrategy(size=resources.actors),
    )
    ids: list[str] = []
    parts: list[list[npt.NDArray[np.float32]]] = [[] for _ in encoders]
    unreadable: list[Unreadable] = []
    for batch in stream.iter_batches(batch_size=None, batch_format="numpy"):
        good = batch["reason"] == ""
        ids.extend(batch["id"][good].tolist())
        for number, part in enumerate(parts):
            part.append(batch[f"embedding_{number}"][good])
        bad = zip(batch["uri"][~good].tolist(), batch["reason"][~good].tolist(), strict=True)
        unreadable.extend(Unreadable(uri=uri, reason=reason) for uri, reason in bad)
        if progress is not None:
            progress(len(good))
    order = np.argsort(ids)
    return Embedded(
        ids=[ids[row] for row in order],
        vectors=[np.concatenate(part)[order] if part else np.empty((0, 0), np.float32) for part in parts],
        unreadable=sorted(unreadable, key=lambda sample: sample.uri),
    )


def _draw(rows: pa.Table, *, size: int) -> Batch:
    """Read samples and draw them as an encoder sees them; an unreadable one is blank and has a reason."""
    loader = SampleLoader.shared()
    pictures = np.zeros((rows.num_rows, 3, size, size), np.uint8)
    reasons = [""] * rows.num_rows
    for row, sample in enumerate(rows.to_pylist()):
        try:
            if sample["modality"] == "sketch":
                pictures[row] = prepare_sketch(loader.sketch(sample["uri"]), size)
            else:
                pictures[row] = prepare_photo(loader.photo(sample["uri"], size=size), size)
        except SampleError as error:
            reasons[row] = str(error).removeprefix(f"{sample['uri']}: ")
    names = {name: np.array(rows[name].to_pylist(), dtype=str) for name in ("id", "uri", "modality")}
    return {**names, "reason": np.array(reasons, dtype=str), "image": pictures}


class _Encoders:
    """An actor that loads the encoders once and embeds what it is given with each of them."""

    def __init__(self, encoders: list[str], threads: int) -> None:
        import torch

        from sketchray.encoders import load_encoder

        torch.set_num_threads(threads)
        self._device = "cuda" if ray.get_gpu_ids() else "cpu"
        self._encoders = [load_encoder(encoder).to(self._device).eval() for encoder in encoders]

    def __call__(self, batch: Batch) -> Batch:
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(np.array(batch["image"])).to(self._device)
            photo = torch.from_numpy(np.array(batch["modality"] == "photo")).to(self._device)
            vectors = [encoder(images, photo).float().cpu().numpy() for encoder in self._encoders]
        kept = {name: batch[name] for name in ("id", "uri", "reason")}
        return kept | {f"embedding_{number}": vector for number, vector in enumerate(vectors)}
