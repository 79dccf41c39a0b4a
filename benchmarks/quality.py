"""What an encoder, or the mean of several, is worth on tiny-51's unseen classes: the tables of ``quality.md``.

    SKETCHRAY_DATA=... python benchmarks/quality.py ENCODER [ENCODER ...] [--norms] [--centre] [--fold SEED] [--seeds N]
        [--rankings NAME ...]

One thread, no Ray. Queries are the unseen classes' vector drawings, the gallery their photographs. Beside retrieval it
measures what adaptation to sketches may spoil: how often a photo's nearest other photo is of its class. With
``--centre`` the modalities' means, over 1,000 seen samples each, are taken out first; several encoders are averaged.
With ``--norms`` it is the first one's backbone as pretrained that is measured, with norms of their own for sketches.
With ``--fold`` it is measured on the eight seen classes that ``data.held_out=8 data.held_out_seed=SEED`` leaves out of
training, 120 photographs of each. Figures of rankings with a codebook are means over so many seeds of it, with the
standard deviation of mAP@all beside.
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
from sketchray.methods.sketch_norms import SketchNormsConfig, adapt_sketch_norms
from sketchray.methods.soup import average_encoders, seen_samples
from sketchray.ranking import create_ranker

BATCH, CENTRE_SAMPLES = 64, 1000
FOLD, FOLD_PHOTOS = 8, 120  # classes, and photos of each
METRICS = ("map@all[plain]", "p@100[k]")
RANKERS = ("nearest", "cluster", "mixture", "manifold")


def asked_for(fold: int | None) -> tuple[pa.Table, pa.Table]:
    """Return the vector drawings and the photos of the unseen classes, or of a fold of the seen ones, by id."""
    split, held_out = ("unseen", {}) if fold is None else ("val", {"held_out": FOLD, "held_out_seed": fold})
    samples = read_samples(DataConfig(sources=("photos", "strokes"), **held_out))
    rows = samples.filter(pc.equal(samples["split"], split)).sort_by("id")
    drawings, photos = (rows.filter(pc.equal(rows["modality"], modality)) for modality in ("sketch", "photo"))
    if fold is not None:
        words = np.array(photos["class_name"].to_pylist())
        photos = photos.take(np.concatenate([np.flatnonzero(words == word)[:FOLD_PHOTOS] for word in np.unique(words)]))
    return drawings, photos


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
    parser.add_argument("--norms", action="store_true")
    parser.add_argument("--centre", action="store_true")
    parser.add_argument("--fold", type=int, metavar="SEED")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--rankings", nargs="+", choices=RANKERS, default=RANKERS, metavar="NAME")
    options = parser.parse_args()
    if options.fold is not None and (options.norms or options.centre):
        parser.error("--norms and --centre look at all seen samples, those of the fold too")
    torch.set_num_threads(1)
    encoder = average_encoders([load_encoder(spec) for spec in options.encoders])
    reader = seen_samples(os.environ["SKETCHRAY_DATA"], encoder.config.image_size)
    if options.norms:
        encoder = Encoder(encoder.config.model_copy(update={"modality_bias": True, "sketch_norms": True}))
        adapt_sketch_norms([encoder], reader, SketchNormsConfig())
    if options.centre:
        subtract_modality_means(encoder, reader, most=CENTRE_SAMPLES)
    queries, photos = asked_for(options.fold)
    queries_QD, photos_GD = embedded(encoder, queries, "sketch"), embedded(encoder, photos, "photo")
    query_classes, photo_classes = queries["class_name"].to_pylist(), photos["class_name"].to_pylist()
    found: dict[str, object] = {"photo 1-NN": round(photo_neighbours(photos_GD, photo_classes), 4)}
    for name in options.rankings:
        results = []
        for seeded in [{}] if name == "nearest" else [{"seed": seed} for seed in range(options.seeds)]:
            ranker = create_ranker(name, **seeded)
            codebook = ranker.fit(photos_GD)
            result = evaluate(queries_QD, query_classes, photos_GD, photo_classes, ranker=ranker, codebook=codebook)
            results.append(result.metrics)
            if codebook is not None:
                found.setdefault(f"{name} K", codebook.codewords)
        means = {key: round(float(np.mean([metrics[key] for metrics in results])), 4) for key in METRICS}
        found[name] = means | {"sd": round(float(np.std([metrics[METRICS[0]] for metrics in results])), 4)}
    print(json.dumps(vars(options) | found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
