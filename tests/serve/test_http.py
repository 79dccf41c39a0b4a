"""The HTTP API over real HTTP: right answers, and a reason for every wrong question."""

import io
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from sketchray.data.images import decode_image
from sketchray.data.raster import Bitmap, Sketch, Strokes
from sketchray.data.transforms import prepare_sketch

pytestmark = pytest.mark.slow
HOUSE = [[[10, 90, 90, 10, 10], [50, 50, 95, 95, 50]], [[10, 50, 90], [50, 10, 50]]]


@pytest.fixture(scope="module")
def http(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client


def brute_force(served: Any, sketch: Sketch, limit: int) -> list[tuple[str, float]]:
    """Score every picture one by one, in this process."""
    image_3HW = torch.from_numpy(prepare_sketch(sketch, 64))
    with torch.inference_mode():
        query_D = served.encoder(image_3HW[None], torch.zeros(1, dtype=torch.bool))[0].numpy()
    scored = [(picture.id, float(np.dot(query_D, picture.vector_D))) for picture in served.pictures.values()]
    return sorted(scored, key=lambda pair: -pair[1])[:limit]


def check_answer(served: Any, answer: dict[str, Any], sketch: Sketch, limit: int) -> None:
    """Compare with brute force; float32 rounding may swap equals, so ids are compared through their scores."""
    expected = brute_force(served, sketch, limit)
    scores = dict(brute_force(served, sketch, len(served.pictures)))
    results = answer["results"]
    assert [result["score"] for result in results] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert len({result["id"] for result in results}) == limit
    for result in results:
        picture = served.pictures[result["id"]]
        assert result["score"] == pytest.approx(scores[picture.id], abs=1e-5)
        assert result == {
            "id": picture.id,
            "score": result["score"],
            "uri": picture.uri,
            "confidence": None,
            "label": picture.label,
            "metadata": {},
            "image": f"/v1/images/{picture.id}",
        }
    assert answer["gallery_version"] == served.version
    assert answer["model"].endswith(served.encoder.fingerprint[:12])
    assert answer["timings_ms"]["total"] >= answer["timings_ms"]["encode"] >= 0


def drawing(kind: str = "PNG", size: int = 120) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    for xs, ys in HOUSE:
        pen.line(
            [(x * size / 100, y * size / 100) for x, y in zip(xs, ys, strict=True)], fill="black", width=size // 40
        )
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def test_strokes_rank_as_brute_force_does(served: Any, http: httpx.Client) -> None:
    answer = http.post("/v1/search", json={"strokes": HOUSE, "limit": 17})
    assert answer.status_code == 200
    check_answer(served, answer.json(), Strokes.from_json(HOUSE), 17)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_pictures_rank_as_brute_force_does(served: Any, http: httpx.Client, kind: str) -> None:
    data = drawing(kind)
    answer = http.post("/v1/search", files={"file": ("a name", data)}, data={"limit": "9"})
    assert answer.status_code == 200
    check_answer(served, answer.json(), Bitmap.from_image(decode_image(data)), 9)


def test_limit_in_the_query_and_by_default(http: httpx.Client) -> None:
    file = {"file": drawing()}
    assert len(http.post("/v1/search?limit=3", files=file).json()["results"]) == 3
    assert len(http.post("/v1/search", files=file).json()["results"]) == 20
    assert len(http.post("/v1/search", json={"strokes": HOUSE, "limit": 200}).json()["results"]) == 60


def test_thumbnails(served: Any, http: httpx.Client) -> None:
    for picture in served.pictures.values():
        answer = http.get(f"/v1/images/{picture.id}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content == picture.jpeg
    assert "max-age" in answer.headers["cache-control"]
    again = http.get(f"/v1/images/{picture.id}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for wrong in ("nobody", "..%2f..%2fetc%2fpasswd", "%00", "x" * 5000):
        check_problem(http.get(f"/v1/images/{wrong}"), 404)


def test_health_and_description(served: Any, http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz").json()
    assert (ready["status"], ready["pictures"], ready["shards"]) == ("ready", 60, 2)
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/search", "/v1/search:batch", "/v1/images/{id}", "/healthz", "/readyz", "/attribution"} <= set(paths)
    docs = http.get("/docs").text
    assert f"{http.base_url}/v1/search".replace("//v1", "/v1") in docs
    assert "https://" not in docs
    attribution = http.get("/attribution")
    assert attribution.headers["content-type"].startswith("text/html")
    assert "Drawn by the tests" in attribution.text
    assert "<script" not in attribution.text


def check_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert len(problem["detail"]) > 15
    assert problem["detail"].endswith(".")
    assert "Traceback" not in problem["detail"]


def bomb() -> bytes:
    """A PNG of 400 megapixels in 50 kB."""
    data = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(data, "PNG")
    assert len(data.getvalue()) < 200_000
    return data.getvalue()


def blank(colour: str = "white") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()


def bad_pictures() -> dict[str, bytes]:
    return {
        "text": b"this is no picture\n" * 50,
        "bomb": bomb(),
        "truncated png": drawing(size=400)[:-400],
        "truncated jpeg": drawing("JPEG", 400)[:1500],
        "only a header": drawing()[:20],
        "empty": b"",
        "blank": blank(),
        "black": blank("black"),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/x"/></svg>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    }


@pytest.mark.parametrize("name", list(bad_pictures()))
def test_bad_pictures(http: httpx.Client, name: str) -> None:
    check_problem(http.post("/v1/search", files={"file": bad_pictures()[name]}), 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("not json", 400),
        ('{"strokes": [[[1, 2], [3, 4]]', 400),
        ("[" * 100_000, 400),
        ("null", 422),
        ("[]", 422),
        ("{}", 422),
        ('{"strokes": []}', 422),
        ('{"strokes": [[[], []]]}', 422),
        ('{"strokes": [[[NaN], [1]]]}', 422),
        ('{"strokes": [[[1e999], [1]]]}', 422),
        ('{"strokes": [[[1, 2], [1]]]}', 422),
        ('{"strokes": [[1, 2]]}', 422),
        ('{"strokes": "http://127.0.0.1:1/x"}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "limit": 0}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "limit": 1e9}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "url": "http://127.0.0.1:1/x"}', 422),
        (json.dumps({"strokes": [[[1, 2], [3, 4]]] * 5000}), 422),
        (json.dumps({"strokes": [[[1] * 200_000, [2] * 200_000]]}), 422),
    ],
)
def test_bad_strokes(http: httpx.Client, body: str, status: int) -> None:
    check_problem(http.post("/v1/search", content=body, headers={"Content-Type": "application/json"}), status)


def test_bad_forms(http: httpx.Client) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    check_problem(http.post("/v1/search"), 415)
    check_problem(http.post("/v1/search", content=drawing(), headers={"Content-Type": "image/png"}), 415)
    check_problem(http.post("/v1/search", content=b"", headers=form), 422)
    check_problem(http.post("/v1/search", content=b"--y\r\nnonsense", headers=form), 400)
    check_problem(http.post("/v1/search", content=b"--x\r\n", headers={"Content-Type": "multipart/form-data"}), 400)
    check_problem(http.post("/v1/search", files={"picture": drawing()}), 422)
    check_problem(http.post("/v1/search", files=[("file", drawing()), ("file", drawing())]), 400)
    check_problem(http.post("/v1/search", data={"file": "http://127.0.0.1:1/x"}, files={"other": b"x"}), 422)
    for limit in ("0", "-1", "201", "1.5", "many", "9" * 5000, ""):
        check_problem(http.post("/v1/search", files={"file": drawing()}, params={"limit": limit}), 422)


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    check_problem(http.post("/v1/search", files={"file": random.Random(1).randbytes(13 * 2**20)}), 413)

    def without_end_in_sight() -> Iterator[bytes]:  # chunked: no Content-Length to go by
        for _ in range(13):
            yield b" " * 2**20

    answer = http.post("/v1/search", content=without_end_in_sight(), headers={"Content-Type": "application/json"})
    check_problem(answer, 413)


def test_nothing_else_is_open(http: httpx.Client) -> None:
    check_problem(http.get("/v1/search"), 405)
    check_problem(http.delete("/v1/images/x"), 405)
    for path in ("/v1/", "/v1/none", "/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/queue/join"):
        check_problem(http.get(path), 404)
    check_problem(http.post("/gradio_api/upload", files={"files": b"x"}), 404)
    check_problem(http.post("/gradio_api/run/predict", json={"data": [""], "fn_index": 0}), 404)
    check_problem(http.get("/gradio_api/proxy=http://127.0.0.1:1/"), 404)


def test_many_at_once_are_all_answered(served: Any, http: httpx.Client) -> None:
    """Each of 32 concurrent callers gets the answer to its own drawing, out of the shared batches."""
    shapes = [[[[0, 50 + n, 100], [100, n, 100 - n]]] for n in range(32)]

    def ask(shape: list[Any]) -> httpx.Response:
        return httpx.post(f"{served.url}/v1/search", json={"strokes": shape, "limit": 5}, timeout=60)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, shapes * 2))
    for shape, answer in zip(shapes * 2, answers, strict=True):
        assert answer.status_code == 200
        check_answer(served, answer.json(), Strokes.from_json(shape), 5)


def test_the_page_comes_from_any_replica(http: httpx.Client) -> None:
    pages = {http.get("/").status_code for _ in range(16)}
    assert pages == {200}
    dependencies = [http.get("/config").json()["dependencies"] for _ in range(16)]
    assert all(event["backend_fn"] is False for events in dependencies for event in events)
    assert dependencies == dependencies[:1] * 16
