"""``/v1/explain``: the answer is the score in its parts, over HTTP without and with Ray."""

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from serve.api import create_api
from serve.explain import explain
from serve.graph import Graph
from serve.model import Model, Parts
from serve.models import HOUSE
from serve.release import Release, ReleaseInfo, describe_release
from sketchray.data.images import decode_image
from sketchray.data.raster import Sketch, Strokes, canonical, rasterise
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.encoders import Encoder
from sketchray.gallery import open_gallery
from sketchray.storage import open_store

ANSWERED = {
    *("sketch", "picture", "score", "exact", "raster"),
    *("gallery", "gallery_version", "model", "request_id"),
}


class InProcess:
    """A graph and a searcher of one release without Ray."""

    def __init__(self, store: str, pictures: list[Any]) -> None:
        manifest = open_gallery(open_store(store), "shapes").manifest
        self.model = Model(manifest.encoder.uri)
        self.info: ReleaseInfo = describe_release(manifest, image_size=self.model.image_size, calibration=None)
        self.jpegs = {picture.id: picture.jpeg for picture in pictures}
        self.pool = ThreadPoolExecutor(1)

    async def thumbnail(self, info: ReleaseInfo, picture_id: str) -> bytes | None:
        assert info is self.info
        return self.jpegs.get(picture_id)

    async def parts(self, release: Release, image_HW: np.ndarray, picture_3HW: np.ndarray) -> Parts:
        assert release == self.info.release
        return self.model.explain(image_HW, picture_3HW)

    async def explain(self, sketch: Sketch, picture_id: str, gallery: str | None = None) -> Any:
        assert gallery in (None, "shapes")
        graph = cast(Graph, type("Stub", (), {"thumbnail": self.thumbnail, "explain": self.parts}))
        return await explain(graph, self.info, sketch, picture_id, self.pool)


@pytest.fixture(scope="module")
def client(gallery_folder: tuple[str, str, list[Any]]) -> Iterator[TestClient]:
    store, _, pictures = gallery_folder
    here = InProcess(store, pictures)
    with TestClient(create_api(cast(Any, here), here.pool, attribution=None)) as client:
        yield client


def similarity(encoder: Encoder, sketch: Sketch, jpeg: bytes) -> float:
    """The cosine of a sketch and a thumbnail, by the encoder as every search uses it."""
    size = encoder.config.image_size
    images = np.stack([prepare_sketch(sketch, size), prepare_photo(decode_image(jpeg), size)])
    with torch.inference_mode():
        sketch_d, photo_d = encoder(torch.from_numpy(images), torch.tensor([False, True]))
    return float(sketch_d @ photo_d)


def check(answer: Any, encoder: Encoder, sketch: Sketch, jpeg: bytes) -> None:
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert set(said) == ANSWERED
    assert said["score"] == pytest.approx(similarity(encoder, sketch, jpeg), abs=1e-5)
    assert said["exact"] is True
    assert said["gallery"] == "shapes"
    for name in ("sketch", "picture"):
        shares = np.array(said[name])
        assert shares.shape == (8, 8)
        assert shares.sum() == pytest.approx(said["score"], abs=1e-4)
    png = base64.b64decode(said["raster"].removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), rasterise(canonical(sketch), 64))


def png_of(strokes: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(rasterise(canonical(Strokes.from_json(strokes)), 128)).save(data, "PNG")
    return data.getvalue()


def test_the_shares_sum_to_the_score_of_sketch_and_thumbnail(
    client: TestClient, gallery_folder: Any, encoder: Encoder
) -> None:
    for picture in gallery_folder[2][:5]:
        answer = client.post("/v1/explain", json={"strokes": HOUSE, "id": picture.id})
        check(answer, encoder, Strokes.from_json(HOUSE), picture.jpeg)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_picture_of_a_sketch_is_taken_as_a_form(client: TestClient, gallery_folder: Any) -> None:
    picture = gallery_folder[2][0]
    drawn = client.post("/v1/explain", json={"strokes": HOUSE, "id": picture.id, "gallery": "shapes"}).json()
    form = {"id": picture.id, "gallery": "shapes"}
    answer = client.post("/v1/explain", data=form, files={"file": png_of(HOUSE)})
    assert answer.status_code == 200, answer.text
    assert answer.json()["score"] == pytest.approx(drawn["score"], abs=0.05)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"strokes": HOUSE, "id": "nobody"}, 404, "no picture"),
        ({"strokes": HOUSE}, 422, "id: field required"),
        ({"strokes": [], "id": "x"}, 422, "strokes"),
        ({"strokes": [[[1, 2], [1]]], "id": "x"}, 422, ""),
        ({"strokes": HOUSE, "id": "x", "gallry": "y"}, 422, "the nearest is gallery"),
        ({"strokes": HOUSE, "id": "x" * 5000}, 422, "id"),
        ([], 422, "of the form"),
    ],
)
def test_what_cannot_be_explained_is_a_sentence(client: TestClient, sent: Any, status: int, said: str) -> None:
    answer = client.post("/v1/explain", json=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_forms_that_cannot_be_read_are_sentences_too(client: TestClient) -> None:
    def problem(**sent: Any) -> tuple[int, str]:
        answer = client.post("/v1/explain", **sent)
        return answer.status_code, answer.json()["detail"]

    blank = io.BytesIO()
    Image.new("L", (64, 64), 255).save(blank, "PNG")
    assert problem(content=b"{")[0] == 415
    assert problem(content=b"{", headers={"Content-Type": "application/json"})[0] == 400
    assert problem(data={"id": "x"}, files={"file": b"no picture"})[0] == 422
    assert problem(data={"id": "x"}, files={"file": blank.getvalue()})[0] == 422
    assert problem(data={"id": "x"}, files={"other": png_of(HOUSE)})[0] == 422
    assert "id" in problem(files={"file": png_of(HOUSE)})[1]
    assert "limit" in problem(data={"id": "x", "limit": "3"}, files={"file": png_of(HOUSE)})[1]
    two = [("file", png_of(HOUSE)), ("file", png_of(HOUSE))]
    assert problem(data={"id": "x"}, files=two)[0] in (400, 422)


@pytest.mark.slow
def test_it_goes_through_the_encoder_deployment(served: Any) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as http:
        for picture in list(served.pictures.values())[:3]:
            answer = http.post("/v1/explain", json={"strokes": HOUSE, "id": picture.id})
            check(answer, served.encoder, Strokes.from_json(HOUSE), picture.jpeg)
        assert http.post("/v1/explain", json={"strokes": HOUSE, "id": "nobody"}).status_code == 404
