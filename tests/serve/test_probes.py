"""What a release has to answer before anybody is answered from it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from serve.group import ShardQuery
from serve.model import Models, probe_rasters
from serve.probes import ProbeError, check_model, check_vector, probe_release
from serve.release import ReleaseInfo
from sketchray.gallery import Hit
from tests.serve.conftest import ENCODER

UNIT = np.array([0.6, 0.8, 0, 0], np.float32)
INFO = ReleaseInfo(
    gallery="g",
    version="v",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    pictures=3,
    shards=1,
    model="m@f",
    fingerprint="f",
    image_size=32,
    rankings=("nearest", "cluster"),
    columns=(),
    calibration=None,
)


class MadeGraph:
    """Answers as a whole release does; a test changes one thing.

    Attributes:
        hits: of every search.
        vectors: by id.
        jpeg: of every picture.
    """

    def __init__(self) -> None:
        cosines = {"a": 0.9, "b": 0.5, "c": -0.2}
        self.hits = [Hit(name, cosine, "u", None, {}, cosine) for name, cosine in cosines.items()]
        self.vectors = {name: UNIT * np.float32(cosine) for name, cosine in cosines.items()}
        self.jpeg: bytes | None = b"jpeg"
        self.asked: list[str] = []

    async def embed(self, *_: Any) -> np.ndarray:
        return UNIT

    async def search(self, _: ReleaseInfo, query: ShardQuery) -> list[Hit]:
        self.asked.append(query.ranking)
        return self.hits

    async def vector(self, _: ReleaseInfo, picture_id: str) -> np.ndarray | None:
        return self.vectors.get(picture_id)

    async def thumbnail(self, *_: Any) -> bytes | None:
        return self.jpeg


def probe(graph: MadeGraph) -> None:
    made: Any = graph
    asyncio.run(probe_release(made, INFO))


def test_a_whole_release_passes_by_every_ranking_and_sketch() -> None:
    graph = MadeGraph()
    probe(graph)
    assert graph.asked == ["nearest", "cluster"] * len(probe_rasters(32))


def test_wrong_answers_are_named() -> None:
    graph = MadeGraph()
    graph.hits = graph.hits[:2]
    with pytest.raises(ProbeError, match="2 results where there should be 3"):
        probe(graph)
    graph = MadeGraph()
    graph.hits = [graph.hits[0], graph.hits[0], graph.hits[1]]
    with pytest.raises(ProbeError, match="3 results"):
        probe(graph)
    graph = MadeGraph()
    graph.hits.reverse()
    with pytest.raises(ProbeError, match="do not descend"):
        probe(graph)
    graph = MadeGraph()
    graph.hits[0] = graph.hits[0]._replace(score=float("nan"))
    with pytest.raises(ProbeError, match="do not descend"):
        probe(graph)
    graph = MadeGraph()
    graph.vectors["a"] = graph.vectors["b"]
    with pytest.raises(ProbeError, match="similarity of a"):
        probe(graph)
    graph = MadeGraph()
    graph.jpeg = None
    with pytest.raises(ProbeError, match="a has no thumbnail"):
        probe(graph)


def test_an_encoder_is_refused_whose_vectors_cannot_be_right() -> None:
    models = Models()
    model = models.load(ENCODER, "unknown")
    assert models.load(ENCODER, model.fingerprint) is model  # held once, whoever asks
    manifest: Any = type("Manifest", (), {"content": type("Content", (), {"dimension": model.dim})})
    check_model(lambda image_HW: model.embed([image_HW])[0], model, manifest)
    with pytest.raises(ProbeError, match="alike"):
        check_model(lambda _: model.embed([model.probes[0]])[0], model, manifest)
    for vector_D, message in ((UNIT[:3], "3 numbers"), (UNIT * 2, "length 2"), (UNIT * np.nan, "length nan")):
        with pytest.raises(ProbeError, match=message):
            check_vector(vector_D, 4)


def test_a_batch_embeds_as_its_sketches_alone() -> None:
    model = Models().load(ENCODER, "")
    images = probe_rasters(model.image_size)
    alone = np.stack([model.embed([image_HW])[0] for image_HW in images])
    np.testing.assert_allclose(model.embed(images), alone, atol=1e-6)
