"""What the endpoint is measured against: the encoder and faiss in a plain loop of one process.

A process that embeds batches spends half of its time on memory that glibc gives back to the kernel after every batch
and the kernel hands out again page by page. The endpoint's encoder keeps its memory (`KEEP_MEMORY`), so throughput is
compared with both loops: as one writes it, and with the memory kept.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import faiss
import numpy as np
import torch

from benchmarks.serving_load import ROOT
from benchmarks.serving_made import LIMIT, Vectors, made_drawings
from serve.settings import KEEP_MEMORY
from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder, load_encoder


class Speed(NamedTuple):
    """Queries a second, and milliseconds of CPU time a query."""

    rate: float
    cpu_ms: float


class Bare:
    """Encoder and exact faiss search over ready pictures, without anything around them.

    Args:
        encoder: as the endpoint's replicas load it.
        vectors: of the gallery; None for no search.
        drawings: the queries; they are drawn as pictures here, which is not counted.
        threads: of torch and faiss, as many as the endpoint's encoder has.
    """

    def __init__(self, encoder: Encoder, vectors: Vectors | None, drawings: Sequence[Any], *, threads: int) -> None:
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)
        self._encoder = encoder
        self._index = faiss.IndexFlatIP(encoder.dim)
        if vectors is not None:
            self._index.add(vectors.embedding_ND)
        size = encoder.config.image_size
        self._images = np.stack([prepare_sketch(Strokes.from_json(drawing), size) for drawing in drawings])

    def ask(self, number: int) -> float:
        """Answer one query; return the seconds that it took."""
        image_1CHW = self._images[number % len(self._images)][None]
        began = time.perf_counter()
        self._index.search(self._embed(image_1CHW), LIMIT)
        return time.perf_counter() - began

    def throughput(self, *, batch: int, seconds: float) -> Speed:
        """Return how fast the encoder alone embeds batches."""
        self._embed(self._images[:batch])  # the first is slow
        done, began, cpu = 0, time.perf_counter(), time.process_time()
        while (spent := time.perf_counter() - began) < seconds:
            first = done % max(1, len(self._images) - batch)
            self._embed(self._images[first : first + batch])
            done += batch
        return Speed(done / spent, 1000 * (time.process_time() - cpu) / done)

    def _embed(self, images_BCHW: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            photo_B = torch.zeros(len(images_BCHW), dtype=torch.bool)
            vectors_BD: np.ndarray = self._encoder(torch.from_numpy(images_BCHW), photo_B).numpy()
        return vectors_BD


def bare_throughput(encoder: str, *, batch: int, threads: int, seconds: float, keep_memory: bool) -> Speed:
    """Return how fast a process of its own embeds batches."""
    said = json.dumps([encoder, batch, threads, seconds])
    environment = {**os.environ, **(KEEP_MEMORY if keep_memory else {})}
    command = [sys.executable, "-m", "benchmarks.serving_bare", said]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=environment)
    return Speed(*json.loads(done.stdout))


def main() -> int:
    """Measure as `bare_throughput` says, and print the result."""
    encoder, batch, threads, seconds = json.loads(sys.argv[1])
    bare = Bare(load_encoder(encoder).eval(), None, made_drawings(4 * batch), threads=threads)
    print(json.dumps(bare.throughput(batch=batch, seconds=seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
