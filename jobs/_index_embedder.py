"""The actor of an index run: it loads the encoder once, and turns decoded parts into kept ones.

Shape legend: N pictures of a part, B of a batch, S side, D dimensions.
"""

import json
import time

import numpy as np
import pyarrow as pa
import ray

from jobs._index_config import Precision
from jobs._index_parts import Parts, Summary
from sketchray.gallery import Column
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column

UNIT = 1e-3  # not-a-number and zero are far from unit length


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

        from sketchray.encoders import folded, load_encoder

        torch.set_num_threads(threads)
        self._device = "cuda" if ray.get_gpu_ids() else "cpu"
        self._encoder = folded(load_encoder(encoder).to(self._device).eval())
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
        autocast = torch.autocast(self._device, getattr(torch, self._precision), enabled=self._precision != "float32")
        with torch.inference_mode():
            for first in range(0, len(images_N3SS), self._batch_size):
                images = torch.tensor(images_N3SS[first : first + self._batch_size], device=self._device)
                photo_B = torch.ones(len(images), dtype=torch.bool, device=self._device)
                with autocast:
                    z_BD = self._encoder.features(images, photo_B)
                chunks.append(F.normalize(z_BD.float(), dim=1).cpu().numpy())  # unit length to float32's digits
        return np.concatenate(chunks)
