"""What an encoder, or the mean of several, is worth on tiny-51's unseen classes: the tables of ``quality.md``.

    SKETCHRAY_DATA=... python benchmarks/quality.py ENCODER [ENCODER ...] [--centre]

One thread, no Ray. Queries are the unseen classes' vector drawings, the gallery their photographs. Beside retrieval it
measures what adaptation to sketches may spoil: how often a photo's nearest other photo is of its class. With
``--centre`` the modalities' means, over 1,000 seen samples each, are taken out first; several encoders are averaged.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from sketchray.data.loading import SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.samples import Modality
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.encoders import Encoder, load_encoder
from sketchray.evaluation.retrieval import evaluate
from sketchray.methods.modality_means import subtract_modality_means
from sketchray.methods.soup import average_encoders, seen_samples
from sketchray.ranking import create_ranker

BATCH, CENTRE_SAMPLES = 64, 1000
METRICS = ("map@all[plain]", "p@100[k]")
RANKERS = ("nearest", "cluster", "mixture")


def unseen(samples: pa.Table, modality: Modality) -> pa.Table:
    """Return the unseen classes' photos, or their vector drawings, by id."""
    rows = samples.filter(pc.and_(pc.equal(samples["split"], "unseen"), pc.equal(samples["modality"], modality)))
    return rows.sort_by("id")


def embedded(encoder: Encoder, samples: pa.Table, modality: Modality) -> np.ndarray:
    """Return unit vectors of the samples."""

    def batches() -> Iterator[np.ndarray]:
        loader, size = SampleLoader.shared(), encoder.config.image_size
        uris = samples["uri"].to_pylist()
        for part in (uris[first : first + BATCH] for first in range(0, len(uris), BATCH)):
            if modality == "sketch":
                pictures = [prepare_sketch(loader.sketch(uri), size) for uri in part]
            else:
                pictures = [prepare_photo(loader.photo(uri), size) for uri in part]
            images = torch.from_numpy(np.stack(pictures))
            yield encoder(images, torch.full((len(images),), modality == "photo")).numpy()

    with torch.inference_mode():
        return np.concatenate(list(batches()))


def photo_neighbours(photos_GD: np.ndarray, classes: list[str]) -> float:
    """Return the part of photos whose nearest other photo is of their class."""
    cosine_GG = photos_GD @ photos_GD.T
    np.fill_diagonal(cosine_GG, -np.inf)
    labels = np.array(classes)
    return float((labels[cosine_GG.argmax(axis=1)] == labels).mean())


def main() -> int:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoders", nargs="+")
    parser.add_argument("--centre", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoder = average_encoders([load_encoder(spec) for spec in options.encoders])
    if options.centre:
        reader = seen_samples(os.environ["SKETCHRAY_DATA"], encoder.config.image_size)
        subtract_modality_means(encoder, reader, most=CENTRE_SAMPLES)
    samples = read_samples(DataConfig(sources=("photos", "strokes")))
    queries, photos = unseen(samples, "sketch"), unseen(samples, "photo")
    queries_QD, photos_GD = embedded(encoder, queries, "sketch"), embedded(encoder, photos, "photo")
    query_classes, photo_classes = queries["class_name"].to_pylist(), photos["class_name"].to_pylist()
    found: dict[str, object] = {"photo 1-NN": round(photo_neighbours(photos_GD, photo_classes), 4)}
    for name in RANKERS:
        ranker = create_ranker(name)
        codebook = ranker.fit(photos_GD)
        result = evaluate(queries_QD, query_classes, photos_GD, photo_classes, ranker=ranker, codebook=codebook)
        found[name] = {metric: round(result.metrics[metric], 4) for metric in METRICS}
        if codebook is not None:
            found[f"{name} K"] = codebook.codewords
    print(json.dumps({"encoders": options.encoders, "centred": options.centre, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
