"""From listed pictures to finished parts: Ray Data tasks read and decode, actors embed and keep."""

import itertools
import json
import time
from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import ray.data

from jobs._index_config import EmbedConfig, Precision
from jobs._index_decode import decode_part
from jobs._index_division import Division
from jobs._index_parts import Parts, Problem, Summary
from jobs._index_timing import Timing
from jobs._progress import Progress
from sketchray.gallery.build import row_schema
from sketchray.gallery.manifest import Column
from sketchray.gallery.segment import embedding_column

WAVE = 4096  # parts in one Ray Data execution, so that what it knows of its blocks does not grow with the gallery
THUMBNAIL_BYTES = 1 << 14  # of memory, for a decoded picture beside its pixels
UNIT = 1e-3  # not-a-number and zero are far from unit length
IN_ACTOR = 2  # parts given to an actor: the one it embeds, and the next


class EmbedPlan(NamedTuple):
    """What the parts are embedded with: what `load_encoder` takes, its input's side in pixels, metadata columns."""

    encoder: str
    image_size: int
    columns: tuple[Column, ...]


class Embedded(NamedTuple):
    """What came of the pictures: how many have a row, and the problems of the others."""

    rows: int
    problems: list[Problem]


def embed_all(
    division: Division,
    parts: Parts,
    config: EmbedConfig,
    plan: EmbedPlan,
    timing: Timing,
    *,
    finished: Mapping[int, Summary],
) -> Embedded:
    """Embed every part that is not finished yet, and show how far it is.

    Args:
        division: the pictures.
        parts: where parts are kept.
        config: the run.
        plan: what embeds them.
        timing: told the seconds that the parts took, also those that were there before.
        finished: the parts that are there, by number.
    """
    rows, problems = 0, list[Problem]()
    bar = Progress(division.pictures.num_rows, "index", unit="picture")
    for summary in itertools.chain(finished.values(), embed_parts(division, parts, config, plan, finished=finished)):
        rows += summary.rows
        problems += summary.problems
        timing.add(summary.seconds)
        bar.add(summary.rows + len(summary.problems))
    bar.close()
    return Embedded(rows, problems)


def embed_parts(
    division: Division, parts: Parts, config: EmbedConfig, plan: EmbedPlan, *, finished: Container[int]
) -> Iterator[Summary]:
    """Embed the parts that are not finished; yield the summary of each."""
    pending = division.unfinished(finished)
    resources, image_size = config.resources, plan.image_size
    decode = partial(decode_part, size=image_size, thumbnail=config.thumbnail, readers=resources.readers)
    arguments = {
        "encoder": plan.encoder,
        "parts": parts,
        "columns": plan.columns,
        "batch_size": config.batch_size,
        "threads": resources.threads,
        "precision": config.embed_precision,
    }
    while wave := list(itertools.islice(pending, WAVE)):
        blocks = ray.data.from_arrow(wave)
        blocks.context.enable_progress_bars = False
        decoded_bytes = config.part_size * (3 * image_size**2 + THUMBNAIL_BYTES)
        limit = resources.in_flight + IN_ACTOR * resources.actors + resources.decode_tasks
        blocks.context.execution_options.resource_limits = ray.data.ExecutionResources(
            object_store_memory=limit * decoded_bytes + sum(block.nbytes for block in wave)
        )
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
            compute=ray.data.ActorPoolStrategy(
                size=min(resources.actors, len(wave)), max_tasks_in_flight_per_actor=IN_ACTOR
            ),
        )
        for row in stream.iter_rows():
            yield Summary(**json.loads(row["summary"]))


class Embedder:
    """An actor that loads the encoder once and turns decoded parts into kept ones."""

    def __init__(
        self,
        *,
        encoder: str,
        parts: Parts,
        columns: tuple[Column, ...],
        batch_size: int,
        threads: int,
        precision: Precision,
    ) -> None:
        import torch

        from sketchray.encoders import load_encoder

        torch.set_num_threads(threads)
        self._device = "cuda" if ray.get_gpu_ids() else "cpu"
        self._encoder = load_encoder(encoder).to(self._device).eval()
        self._parts, self._columns, self._batch_size, self._precision = parts, columns, batch_size, precision

    def __call__(self, decoded: pa.Table) -> pa.Table:
        started = time.perf_counter()
        row = {name: decoded[name][0] for name in decoded.schema.names}
        rows = pa.ipc.open_stream(row["rows"].as_buffer()).read_all()
        size = self._encoder.config.image_size
        pixels_N3SS = np.frombuffer(row["pixels"].as_buffer(), dtype=np.uint8).reshape(-1, 3, size, size)
        embedding_ND = self.embed(pixels_N3SS)
        problems = json.loads(row["problems"].as_py())
        unit_N = np.abs(np.linalg.norm(embedding_ND, axis=1) - 1) < UNIT
        if not unit_N.all():  # float16 has its limits, and a picture's features may all be zero
            wrong = rows["uri"].filter(pa.array(~unit_N)).to_pylist()
            problems += [{"uri": uri, "stage": "embed", "reason": "its embedding has no direction"} for uri in wrong]
            rows, embedding_ND = rows.filter(pa.array(unit_N)), embedding_ND[unit_N]
        embedded = time.perf_counter()
        schema = row_schema(embedding_ND.shape[1], self._columns)
        rows = rows.append_column("embedding", embedding_column(embedding_ND)).select(schema.names).cast(schema)
        seconds = {"decode": row["seconds"].as_py(), "embed": embedded - started}
        summary = Summary(row["part"].as_py(), rows.num_rows, problems, seconds)
        self._parts.write(summary, rows)
        seconds["write"] = time.perf_counter() - embedded
        return pa.table({"summary": [json.dumps(summary._asdict())]})

    def embed(self, images_N3SS: np.ndarray) -> np.ndarray:
        """Return embedding_ND float32, in batches that start anew with every part."""
        import torch
        import torch.nn.functional as F

        chunks = [np.empty((0, self._encoder.dim), dtype=np.float32)]
        autocast: Any = torch.autocast(
            self._device, getattr(torch, self._precision), enabled=self._precision != "float32"
        )
        with torch.inference_mode():
            for first in range(0, len(images_N3SS), self._batch_size):
                images = torch.tensor(images_N3SS[first : first + self._batch_size], device=self._device)
                photo_B = torch.ones(len(images), dtype=torch.bool, device=self._device)
                with autocast:
                    z_BD = self._encoder.features(images, photo_B)
                chunks.append(F.normalize(z_BD.float(), dim=1).cpu().numpy())  # unit length to float32's digits
        return np.concatenate(chunks)
