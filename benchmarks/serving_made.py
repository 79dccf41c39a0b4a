"""A made gallery in many versions, made drawings, and the right answers by brute force.

All versions have the same pictures' ids and other vectors, so that only the scores tell which version a hit is of: an
answer that is wrong, or put together from two versions, cannot pass for that of the version which it names.
"""

import io
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder
from sketchray.gallery import EncoderRef, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import Store

GALLERY = "made"
LIMIT = 20  # hits of an answer
SIDE = 255  # of the drawings
TOLERANCE = 1e-4  # of a cosine: the encoder's float32 sums depend on what else is in a batch


class Vectors(NamedTuple):
    """The pictures of a version: ids in order, and unit rows."""

    ids: list[str]
    embedding_ND: np.ndarray


def made_vectors(rows: int, dimension: int, *, seed: int) -> Vectors:
    """Return random unit vectors; the ids are the same for every seed."""
    x_ND = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    return Vectors([f"{number:08x}" for number in range(rows)], x_ND)


def publish_made(store: Store, vectors: Vectors, *, encoder: EncoderRef, shards: int, gallery: str = GALLERY) -> str:
    """Publish a version of a made gallery and make it current; return its name."""
    jpeg = io.BytesIO()
    Image.new("RGB", (96, 96), "teal").save(jpeg, "JPEG")
    ids, embedding_ND = vectors
    columns = {
        "id": ids,
        "uri": [f"file:///made/{name}.jpg" for name in ids],
        "etag": [""] * len(ids),
        "label": [None] * len(ids),
        "embedding": embedding_column(embedding_ND),
        "jpeg": [jpeg.getvalue()] * len(ids),
    }
    rows = pa.table(columns, schema=row_schema(embedding_ND.shape[1]))
    return write_gallery(store, gallery, rows, encoder=encoder, source="made", shards=shards).version


def made_drawings(count: int, *, seed: int = 0) -> list[list[list[list[int]]]]:
    """Return drawings of as many strokes and points as people's have: 3 to 7 strokes of 6 to 20 points."""
    rng = np.random.default_rng(seed)
    drawings = []
    for _ in range(count):
        steps = [rng.normal(0, SIDE / 12, (2, rng.integers(6, 21))) for _ in range(rng.integers(3, 8))]
        walks = [rng.uniform(0, SIDE, (2, 1)) + step.cumsum(1) for step in steps]
        drawings.append([walk.clip(0, SIDE).round().astype(int).tolist() for walk in walks])
    return drawings


def query_bodies(drawings: Sequence[Any], *, gallery: str = GALLERY) -> tuple[str, ...]:
    """Return the JSON bodies of searches for the `LIMIT` best."""
    return tuple(json.dumps({"strokes": drawing, "limit": LIMIT, "gallery": gallery}) for drawing in drawings)


def embed_drawings(encoder: Encoder, drawings: Sequence[Any], *, batch: int = 16) -> np.ndarray:
    """Return the drawings' vectors (B, D) by the encoder itself."""
    import torch

    pictures = [prepare_sketch(Strokes.from_json(drawing), encoder.config.image_size) for drawing in drawings]
    vectors = []
    with torch.inference_mode():
        for first in range(0, len(pictures), batch):
            images_B3HW = torch.from_numpy(np.stack(pictures[first : first + batch]))
            vectors.append(encoder(images_B3HW, torch.zeros(len(images_B3HW), dtype=torch.bool)).numpy())
    return np.concatenate(vectors)


class Truth:
    """Brute force over the vectors of every version.

    Args:
        query_BD: vectors of the queries.
    """

    def __init__(self, query_BD: np.ndarray) -> None:
        self._query_BD = query_BD
        self._versions: dict[str, tuple[dict[str, int], np.ndarray]] = {}

    def add(self, version: str, vectors: Vectors) -> None:
        """Take a version's vectors, from which all scores are computed once."""
        places = {name: place for place, name in enumerate(vectors.ids)}
        self._versions[version] = places, self._query_BD @ vectors.embedding_ND.T

    def wrong(self, query: int, answer: dict[str, Any]) -> str | None:
        """Tell what is wrong with an answer, by the version that it names; None where nothing is.

        The hits must have the scores that brute force gives to their ids, come in their order, and be the best: where
        two scores are as near as `TOLERANCE`, either may come first.
        """
        version = answer["gallery_version"]
        if version not in self._versions:
            return f"version {version} was never published"
        places, score_BN = self._versions[version]
        score_N = score_BN[query]
        ids = [hit["id"] for hit in answer["results"]]
        best_K = np.sort(score_N)[::-1][:LIMIT]
        if len(set(ids)) != len(best_K) or len(ids) != len(best_K):
            return f"{len(ids)} hits, {len(set(ids))} of them different, where {len(best_K)} are right"
        unknown = [name for name in ids if name not in places]
        if unknown:
            return f"version {version} has no picture {unknown[0]}"
        given_K = np.array([hit["score"] for hit in answer["results"]])
        true_K = score_N[[places[name] for name in ids]]
        if np.abs(given_K - true_K).max() > TOLERANCE:
            return f"scores are {np.abs(given_K - true_K).max():.4f} off those of version {version}"
        if np.abs(given_K - best_K).max() > TOLERANCE:
            return f"these are not the best of version {version}"
        return None
