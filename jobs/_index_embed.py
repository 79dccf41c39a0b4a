"""From listed pictures to finished parts: Ray Data tasks read and decode, actors embed and keep."""

import contextlib
import itertools
import json
import logging
from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import ray.data

from jobs._index_config import EmbedConfig
from jobs._index_decode import decode_part
from jobs._index_division import Division
from jobs._index_embedder import Embedder
from jobs._index_parts import Parts, Problem, Summary
from jobs._index_timing import Timing
from jobs._progress import Progress
from sketchray.gallery import Column

WAVE = 4096  # parts in one Ray Data execution, so that what it knows of its blocks does not grow with the gallery
THUMBNAIL_BYTES = 1 << 14  # of memory, for a decoded picture beside its pixels
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
    embedded = embed_parts(division, parts, config, plan, finished=finished)
    with contextlib.closing(Progress(division.rows, "index", unit="picture")) as bar:
        for summary in itertools.chain(finished.values(), embedded):
            rows += summary.rows
            problems += summary.problems
            timing.add(summary.seconds)
            bar.add(summary.rows + len(summary.problems))
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
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised here, and told once
    while wave := list(itertools.islice(pending, WAVE)):
        blocks = ray.data.from_arrow(wave)
        blocks.context.enable_progress_bars = False
        blocks.context.raise_original_map_exception = True  # a store's error stays one, and is told in one line
        decoded_bytes = config.part_size * (3 * image_size**2 + THUMBNAIL_BYTES)
        limit = resources.in_flight + IN_ACTOR * resources.actors + resources.decode_tasks
        blocks.context.execution_options.resource_limits = ray.data.ExecutionResources(
            object_store_memory=limit * decoded_bytes + sum(block.nbytes for block in wave)
        )
        actors = min(resources.actors, len(wave))
        wave.clear()  # the object store has them
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
            compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=IN_ACTOR),
        )
        for row in stream.iter_rows():
            yield Summary(**json.loads(row["summary"]))
        del blocks, stream  # so that the object store is free of them before it gets the next
