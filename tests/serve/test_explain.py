"""``/v1/explain``: the answer is the score in its parts, over HTTP without and with Ray."""

import asyncio
import base64
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from serve.api import create_api
from serve.models import HOUSE
from sketchray.data.images import decode_image
from sketchray.data.raster import Sketch, Strokes, canonical, rasterise
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.encoders import Encoder
from sketchray.storage import open_store
from tests.serve.local_graph import local_graph

ANSWERED = {
    *("sketch", "picture", "score", "exact", "raster"),
    *("gallery", "gallery_version", "model", "request_id"),
}
Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def post(gallery_folder: tuple[str, str, list[Any]]) -> Iterator[Post]:
    """Give ``post(**body)``: the question over HTTP, the whole graph behind it in this process."""
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        running = local_graph(open_store(gallery_folder[0]), ["shapes"], patch)
        api = create_api(runner.run(running.__aenter__()).searcher, pool, attribution=None)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://here")
        yield lambda **body: runner.run(client.post("/v1/explain", **body))
        runner.run(client.aclose())
        runner.run(running.__aexit__(None, None, None))


def similarity(encoder: Encoder, sketch: Sketch, jpeg: bytes) -> float:
    """The cosine of a sketch and a thumbnail, by the encoder as every search uses it."""
    size = encoder.config.image_size
    images = np.stack([prepare_sketch(sketch, size), prepare_photo(decode_image(jpeg), size)])
    with torch.inference_mode():
        sketch_d, photo_d = encoder(torch.from_numpy(images), torch.tensor([False, True]))
    return float(sketch_d @ photo_d)


def check(answer: httpx.Response, encoder: Encoder, sketch: Sketch, jpeg: bytes) -> None:
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


def test_the_shares_sum_to_the_score_of_sketch_and_thumbnail(post: Post, gallery_folder: Any, encoder: Encoder) -> None:
    for picture in gallery_folder[2][:5]:
        answer = post(json={"strokes": HOUSE, "id": picture.id})
        check(answer, encoder, Strokes.from_json(HOUSE), picture.jpeg)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_picture_of_a_sketch_is_taken_as_a_form(post: Post, gallery_folder: Any) -> None:
    picture = gallery_folder[2][0]
    drawn = post(json={"strokes": HOUSE, "id": picture.id, "gallery": "shapes"}).json()
    form = {"id": picture.id, "gallery": "shapes"}
    answer = post(data=form, files={"file": png_of(HOUSE)})
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
def test_what_cannot_be_explained_is_a_sentence(post: Post, sent: Any, status: int, said: str) -> None:
    answer = post(json=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_forms_that_cannot_be_read_are_sentences_too(post: Post) -> None:
    def problem(**sent: Any) -> tuple[int, str]:
        answer = post(**sent)
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
    with httpx.Client(base_url=served.url, timeout=240) as http:
        for picture in list(served.pictures.values())[:3]:
            answer = http.post("/v1/explain", json={"strokes": HOUSE, "id": picture.id})
            check(answer, served.encoder, Strokes.from_json(HOUSE), picture.jpeg)
        assert http.post("/v1/explain", json={"strokes": HOUSE, "id": "nobody"}).status_code == 404
