"""What ``training.py`` compares with: the same training in one plain torch process, without Ray.

It reads the same files in the same order, decodes and augments them by the same functions in parallel loader processes,
and takes the same steps. It prints one JSON object: samples a second after the warm-up, and the share of the time that
it waited for data.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, Dataset

from jobs._cli import recipe_path
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from sketchray.config import load_config
from sketchray.data.loading import SampleLoader
from sketchray.data.order import sample_rng, step_indices
from sketchray.data.reading import read_samples
from sketchray.data.samples import Modality
from sketchray.data.transforms import augment_photo, augment_sketch
from sketchray.methods import Batch
from sketchray.methods.fitting import train_step


class Steps(Dataset[dict[str, Any]]):
    """The run's steps: item s is what step s takes of both modalities."""

    def __init__(self, fit: TrainConfig, tables: dict[Modality, pa.Table]) -> None:
        self._fit, self._tables = fit, tables

    def __len__(self) -> int:
        return self._fit.steps

    def __getitem__(self, step: int) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        for modality, table in self._tables.items():
            size = self._fit.stream(modality).batch_size
            rows = step_indices(table.num_rows, seed=self._fit.seed, step=step, batch_size=size, stream=modality)
            taken = table.take(rows)
            ids = taken["id"].to_pylist()
            pictures = [self._picture(modality, step, *row) for row in zip(ids, taken["uri"].to_pylist(), strict=True)]
            parts[f"{modality}_labels"] = torch.tensor(taken["label"].to_numpy())
            parts[f"{modality}_ids"] = ids
            parts["photos" if modality == "photo" else "sketches"] = torch.from_numpy(np.stack(pictures))
        return parts

    def _picture(self, modality: Modality, step: int, identifier: str, uri: str) -> np.ndarray:
        rng, size, augment = (
            sample_rng(self._fit.seed, step, identifier),
            self._fit.encoder.image_size,
            self._fit.augment,
        )
        loader = SampleLoader.shared()
        if modality == "sketch":
            return augment_sketch(loader.sketch(uri), size, rng, augment)
        return augment_photo(loader.photo(uri), size, rng, augment)


def run(fit: TrainConfig, *, threads: int, loaders: int, warmup: int) -> dict[str, float]:
    """Train, and return what was measured from step ``warmup`` on."""
    torch.set_num_threads(threads)
    data = train_data(read_samples(fit.data), fit)
    method = fit.create(data.classes)
    method.train()
    optimizers = method.optimizers(fit.steps)
    batches: Iterator[dict[str, Any]] = iter(
        DataLoader(Steps(fit, data.seen), batch_size=None, num_workers=loaders, prefetch_factor=4)
    )
    waited, started = 0.0, time.perf_counter()
    for step in range(fit.steps):
        if step == warmup:
            waited, started = 0.0, time.perf_counter()
        asked = time.perf_counter()
        parts = next(batches)
        waited += time.perf_counter() - asked
        train_step(method, Batch(**parts, seed=fit.seed), optimizers, step=step, total=fit.steps)
    seconds = time.perf_counter() - started
    samples = (fit.steps - warmup) * (fit.sketch_batch + fit.photo_batch)
    return {"samples_per_s": samples / seconds, "data_wait_share": waited / seconds}


def main() -> int:
    """Train by a recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loaders", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_args()
    fit = load_config(TrainConfig, verb="train", recipe=recipe_path(args.recipe), overrides=args.overrides)
    print(json.dumps(run(fit, threads=args.threads, loaders=args.loaders, warmup=args.warmup)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
