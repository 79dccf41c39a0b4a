"""Questions to the whole graph, without Ray: every option, beside the library asked directly."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from serve.errors import ProblemError
from serve.search import SearchRequest
from sketchray.calibration import Calibration
from sketchray.data.raster import Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.encoders import Encoder, load_encoder
from sketchray.gallery import Gallery, Hit, merge, open_gallery, roll_back
from sketchray.gallery.filters import parse_filter
from sketchray.gallery.publish import gallery_store
from sketchray.storage import Store, open_store
from tests.serve.conftest import ENCODER, Picture, publish_pictures
from tests.serve.local_graph import LocalGraph, local_graph

HOUSE = Strokes.from_json([[[10, 90, 90, 10, 10], [50, 50, 95, 95, 50]], [[10, 50, 90], [50, 10, 50]]])
CROSS = Strokes.from_json([[[0, 100], [0, 100]], [[100, 0], [0, 100]]])
GALLERIES = ("shapes", "few")
Body = Callable[[LocalGraph], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, gallery_folder: tuple[str, str, list[Picture]]) -> Store:
    """A store with two galleries."""
    store = open_store(str(tmp_path_factory.mktemp("local")))
    encoder, pictures = load_encoder(ENCODER), gallery_folder[2]
    publish_pictures(store, "shapes", pictures, encoder)
    publish_pictures(store, "few", pictures[:3], encoder)
    return store


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[Body], None]:
    """Runs something on a graph."""

    def run(body: Body) -> None:
        async def main() -> None:
            async with local_graph(store, GALLERIES, monkeypatch) as local:
                await body(local)

        asyncio.run(asyncio.wait_for(main(), 60))

    return run


def query_of(encoder: Encoder, *sketches: Strokes) -> np.ndarray:
    """Return the unit vector between the sketches', computed here."""
    image_B3HW = torch.from_numpy(np.stack([prepare_sketch(sketch, 64) for sketch in sketches]))
    with torch.inference_mode():
        vector_BD = encoder(image_B3HW, torch.zeros(len(sketches), dtype=torch.bool)).double().numpy()
    mean_D = vector_BD.mean(axis=0)
    return np.asarray(mean_D / np.linalg.norm(mean_D), np.float32)


def expected(gallery: Gallery, query_D: np.ndarray, k: int, **options: Any) -> list[Hit]:
    """Ask the library, a shard at a time."""
    shards = range(gallery.manifest.content.shards)
    return merge([gallery.shard(index).search(query_D[None], k, **options)[0] for index in shards], k)


@pytest.mark.parametrize("ranking", ["nearest", "cluster", "mixture", "manifold"])
def test_rankings_pages_and_filters(run: Callable[[Body], None], store: Store, encoder: Encoder, ranking: Any) -> None:
    async def body(local: LocalGraph) -> None:
        wanted = parse_filter("label is not null")
        hits = expected(
            open_gallery(store, "shapes"), query_of(encoder, HOUSE, CROSS), 25, ranking=ranking, filter=wanted
        )
        request = SearchRequest(sketches=(HOUSE, CROSS), limit=15, offset=10, ranking=ranking, filter=wanted)
        answer = await local.searcher.search(request)
        assert [result.score for result in answer.results] == pytest.approx([h.score for h in hits[10:]], abs=1e-5)
        assert {result.label is None for result in answer.results} == {False}
        assert (answer.ranking, answer.gallery, answer.gallery_version) == (
            ranking,
            "shapes",
            open_gallery(store, "shapes").version,
        )

    run(body)


def test_more_like_a_picture_leaves_it_out(
    run: Callable[[Body], None], gallery_folder: tuple[str, str, list[Picture]]
) -> None:
    async def body(local: LocalGraph) -> None:
        picture, *others = gallery_folder[2]
        scores = sorted((float(other.vector_D @ picture.vector_D) for other in others), reverse=True)
        answer = await local.searcher.search(SearchRequest(like=picture.id, limit=9, offset=2))
        assert [result.score for result in answer.results] == pytest.approx(scores[2:11], abs=1e-5)
        assert picture.id not in {result.id for result in answer.results}
        few = await local.searcher.search(SearchRequest(like=picture.id, gallery="few"))
        assert len(few.results) == 2
        assert {result.image for result in few.results} == {f"/v1/images/{r.id}?gallery=few" for r in few.results}
        assert await local.searcher.thumbnail(picture.id, "few") == picture.jpeg
        assert await local.searcher.thumbnail("nobody") is None

    run(body)


@pytest.mark.parametrize("ranking", ["nearest", "mixture"])
def test_confidence_leaves_out_and_never_reorders(
    run: Callable[[Body], None], store: Store, encoder: Encoder, ranking: Any
) -> None:
    async def body(local: LocalGraph) -> None:
        hits = expected(open_gallery(store, "shapes"), query_of(encoder, HOUSE), 60, ranking=ranking)
        cosines = sorted(hit.similarity for hit in hits)
        calibration = Calibration(
            encoder=encoder.fingerprint,
            scores=(cosines[0], cosines[-1]),
            log_odds=(-3.0, 3.0),
            data="made",
            queries=1,
            pictures=1,
            base_rate=0.5,
        )
        info = local.releases.find(None)
        local.releases._active["shapes"] = info.model_copy(update={"calibration": calibration})
        least = float(calibration.probability(cosines[-9]))
        kept = [hit for hit in hits if hit.similarity >= cosines[-9]]
        request = SearchRequest(sketches=(HOUSE,), ranking=ranking, min_confidence=least, limit=5, offset=2)
        answer = await local.searcher.search(request)
        assert len(kept) == 9
        assert [result.id for result in answer.results] == [hit.id for hit in kept[2:7]]
        confidences = [result.confidence for result in answer.results]
        assert confidences == pytest.approx(calibration.probability([h.similarity for h in kept[2:7]]), abs=1e-4)
        everything = await local.searcher.search(SearchRequest(sketches=(HOUSE,), ranking=ranking, limit=60))
        assert [result.id for result in everything.results] == [hit.id for hit in hits]

    run(body)


def test_what_cannot_be_asked(run: Callable[[Body], None]) -> None:
    house = SearchRequest(sketches=(HOUSE,))
    wrong = (
        (replace(house, gallery="none"), 404, "there are: shapes, few"),
        (SearchRequest(like="nobody"), 404, "no picture"),
        (replace(house, min_confidence=0.5), 422, "not calibrated"),
        (replace(house, filter=parse_filter("price > 3")), 422, "character 1"),
        (replace(house, ranking="cluster", gallery="few"), 422, "only: nearest"),
    )

    async def body(local: LocalGraph) -> None:
        for request, status, words in wrong:
            with pytest.raises(ProblemError, match=words) as raised:
                await local.searcher.search(request)
            assert raised.value.status == status

    run(body)


def test_a_swap_a_new_director_and_what_is_told(
    run: Callable[[Body], None], store: Store, encoder: Encoder, gallery_folder: tuple[str, str, list[Picture]]
) -> None:
    async def body(local: LocalGraph) -> None:
        old = local.searcher.about()
        with local.releases.use(None) as used:  # a request that takes its time
            version = publish_pictures(store, "shapes", gallery_folder[2][5:], encoder)
            await local.until(lambda: local.searcher.about().gallery_version == version)
            assert used.version == old.gallery_version
            assert len(local.releases.using) == 3
        assert {info.gallery for info in local.searcher.galleries()} == set(GALLERIES)
        roll_back(gallery_store(store, "shapes"))
        await local.until(lambda: local.searcher.about().gallery_version == old.gallery_version)
        await local.new_director(store)
        await local.until(lambda: len(local.director.replica._reports) == 4)
        assert local.searcher.about() == old
        assert (await local.searcher.ready()).gallery_version == old.gallery_version
        assert old.default
        assert not old.calibrated
        assert old.rankings == ["nearest", "cluster", "mixture", "manifold"]

    run(body)
