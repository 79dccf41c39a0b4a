"""What approximate indices lose for real sketches: recall against exact search over embedded photographs.

    SKETCHRAY_DATA=... python benchmarks/gallery_recall.py --encoder URI [--views 4]

The gallery is every photograph of tiny-51, once as it is and further times as the random variants that training makes
of it (crops, mirrored, other colours), so that it is large enough for an index to have something to leave out. The
queries are all of tiny-51's vector drawings.
"""

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from gallery_search import build, recall, rows_of, side_by_side
from torch.utils.data import DataLoader, Dataset

from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.transforms import AugmentConfig, augment_photo, prepare_photo, prepare_sketch
from sketchray.encoders import Encoder, load_encoder
from sketchray.gallery import IndexPlan

KINDS = ("ivf-int8", "hnsw", "flat-int8")


class Inputs(Dataset[np.ndarray]):
    """Pictures ready for the encoder: sketches or photographs, the latter in several views."""

    def __init__(self, samples: pa.Table, size: int, *, photo: bool, views: int) -> None:
        self.uris, self.size, self.photo, self.views = samples["uri"].to_pylist(), size, photo, views

    def __len__(self) -> int:
        return len(self.uris) * self.views

    def __getitem__(self, place: int) -> np.ndarray:
        uri, view = self.uris[place // self.views], place % self.views
        if not self.photo:
            return prepare_sketch(SampleLoader.shared().sketch(uri), self.size)
        image = SampleLoader.shared().photo(uri, size=self.size)
        if not view:
            return prepare_photo(image, self.size)
        return augment_photo(image, self.size, np.random.default_rng(place), AugmentConfig())


def embed(encoder: Encoder, inputs: Inputs) -> np.ndarray:
    """Return unit vectors (N, D) of all inputs."""
    with torch.inference_mode():
        batches: Any = DataLoader(inputs, batch_size=64, num_workers=1)
        return np.concatenate([encoder(x, torch.full((len(x),), inputs.photo)).numpy() for x in batches])


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True, help="a trained encoder's URI, or frozen:efficientnet_lite0@128")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(2)
    faiss.omp_set_num_threads(2)
    encoder = load_encoder(args.encoder).eval()
    samples = read_samples(DataConfig(sources=("photos", "strokes")))
    of = {name: samples.filter(pc.equal(samples["modality"], name)) for name in ("sketch", "photo")}
    size = encoder.config.image_size
    query_BD = embed(encoder, Inputs(of["sketch"], size, photo=False, views=1))
    vector_ND = embed(encoder, Inputs(of["photo"], size, photo=True, views=args.views))
    rows = rows_of(vector_ND)
    print(f"{len(vector_ND):,} pictures, {len(query_BD):,} sketches, {encoder.dim}-d\n")
    print("| index | recall@10 | sketches below 0.9 | ms a query | exact |\n|---|---|---|---|---|", flush=True)
    with TemporaryDirectory() as folder:
        exact, _ = build(Path(folder) / "exact", rows, IndexPlan(kind="flat"), None)
        truth = exact.search(query_BD, 10)
        for kind in KINDS:
            shard, _ = build(Path(folder) / kind, rows, IndexPlan(kind=kind), None)
            found = shard.search(query_BD, 10)
            each = [recall([f], [t]) for f, t in zip(found, truth, strict=True)]
            sides = {"exact": partial(exact.search, query_BD[:1], 20), kind: partial(shard.search, query_BD[:1], 20)}
            took = side_by_side(sides, args.repeats)
            low = statistics.fmean(value < 0.9 for value in each)
            times = f"{1000 * took[kind]:.2f} | {1000 * took['exact']:.2f}"
            print(f"| {kind} | {statistics.fmean(each):.3f} | {low:.1%} | {times} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
