"""What the endpoint is measured against: the encoder and faiss in a plain loop of one process."""

import time
from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks.serving_made import LIMIT, Vectors
from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder


class Bare:
    """Encoder and exact faiss search over ready pictures, without anything around them.

    Args:
        encoder: as the endpoint's replicas load it.
        vectors: of the gallery.
        drawings: the queries; they are drawn as pictures here, which is not counted.
        threads: of torch and faiss, as many as the endpoint's encoder has.
    """

    def __init__(self, encoder: Encoder, vectors: Vectors, drawings: Sequence[Any], *, threads: int) -> None:
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)
        self._encoder = encoder
        self._index = faiss.IndexFlatIP(encoder.dim)
        self._index.add(vectors.embedding_ND)
        size = encoder.config.image_size
        self._images = np.stack([prepare_sketch(Strokes.from_json(drawing), size) for drawing in drawings])

    def ask(self, number: int) -> float:
        """Answer one query; return the seconds that it took."""
        image_1CHW = self._images[number % len(self._images)][None]
        began = time.perf_counter()
        self._index.search(self._embed(image_1CHW), LIMIT)
        return time.perf_counter() - began

    def throughput(self, *, batch: int, seconds: float) -> float:
        """Return the queries a second that the encoder alone embeds in batches."""
        done, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            first = done % max(1, len(self._images) - batch)
            self._embed(self._images[first : first + batch])
            done += batch
        return done / spent

    def _embed(self, images_BCHW: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            photo_B = torch.zeros(len(images_BCHW), dtype=torch.bool)
            vectors_BD: np.ndarray = self._encoder(torch.from_numpy(images_BCHW), photo_B).numpy()
        return vectors_BD
