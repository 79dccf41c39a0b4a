"""The HTTP API over real HTTP: a reason for every wrong question."""

import io
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from serve.models import HOUSE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def http(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=240) as client:
        yield client


def drawing(kind: str = "PNG", size: int = 120) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    ImageDraw.Draw(image).line([(10, 10), (size - 10, size // 2), (10, size - 10)], fill="black", width=size // 40)
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def check_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/docs#problem-{status}"
    assert problem["request_id"] == answer.headers["x-request-id"]
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


BAD_PICTURES = {
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


@pytest.mark.parametrize("name", list(BAD_PICTURES))
def test_bad_pictures(http: httpx.Client, name: str) -> None:
    check_problem(http.post("/v1/search", files={"file": BAD_PICTURES[name]}), 422)
    check_problem(http.post("/v1/search", files=[("file", drawing()), ("file", BAD_PICTURES[name])]), 422)


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
        ('{"strokes": [[[NaN], [1]]]}', 400),
        ('{"strokes": [[[1e999], [1]]]}', 422),
        ('{"strokes": [[[1, 2], [1]]]}', 422),
        ('{"strokes": [[1, 2]]}', 422),
        ('{"strokes": "http://127.0.0.1:1/x"}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "limit": 0}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "limit": 1e9}', 422),
        ('{"strokes": [[[1, 2], [1, 2]]], "url": "http://127.0.0.1:1/x"}', 422),
        (json.dumps({"strokes": HOUSE, "like": "x"}), 422),
        (json.dumps({"sketches": [HOUSE] * 9}), 422),
        (json.dumps({"strokes": HOUSE, "gallery": "nowhere"}), 404),
        (json.dumps({"strokes": HOUSE, "gallery": "../shapes"}), 422),
        (json.dumps({"strokes": HOUSE, "filter": "no_such_column = 1"}), 422),
        (json.dumps({"strokes": HOUSE, "filter": "label ="}), 422),
        (json.dumps({"strokes": HOUSE, "ranking": "best"}), 422),
        (json.dumps({"strokes": HOUSE, "offset": 990}), 422),
        (json.dumps({"like": "nobody"}), 404),
        ("[" + "[]," * 250_000 + "[]]", 413),
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
    check_problem(http.post("/v1/search", files=[("file", drawing())] * 9), 400)
    check_problem(http.post("/v1/search", files={"file": drawing()}, data={"limt": "3"}), 422)
    check_problem(http.post("/v1/search", files={"file": drawing()}, data={"filter": "label ~ 'x'"}), 422)
    check_problem(http.post("/v1/search", json={"strokes": HOUSE}, headers={"Content-Encoding": "gzip"}), 415)
    check_problem(http.post("/v1/search", data={"file": "http://127.0.0.1:1/x"}, files={"other": b"x"}), 422)
    for limit in ("0", "-1", "201", "1.5", "many", "9" * 5000, ""):
        check_problem(http.post("/v1/search", files={"file": drawing()}, params={"limit": limit}), 422)


def test_a_filter_is_refused_with_the_place(http: httpx.Client) -> None:
    for condition, position in (("label = 'x' and", 15), ("label = 'x' and colour = 'red'", 16)):
        answer = http.post("/v1/search", json={"strokes": HOUSE, "filter": condition})
        check_problem(answer, 422)
        assert answer.json()["position"] == position
        assert f"character {position + 1}" in answer.json()["detail"]


def test_confidence_is_refused_where_nobody_measured_it(http: httpx.Client) -> None:
    answer = http.post("/v1/search", json={"strokes": HOUSE, "min_confidence": 0.5})
    check_problem(answer, 422)
    assert "not calibrated" in answer.json()["detail"]


def test_bad_batches(http: httpx.Client) -> None:
    bodies: list[Any] = [{}, [], {"queries": []}, {"queries": [{"strokes": HOUSE}] * 33}, {"queries": [], "limit": 3}]
    for body in bodies:
        check_problem(http.post("/v1/search:batch", json=body), 422)
    check_problem(http.post("/v1/search:batch", files={"file": drawing()}), 415)
    check_problem(http.post("/v1/search:batch", content=b"{", headers={"Content-Type": "application/json"}), 400)


def test_requests_have_ids(http: httpx.Client) -> None:
    """A caller's id is taken where it can do no harm in a log or a header, else one is made."""
    mine = http.get("/v1/none", headers={"X-Request-ID": "Trace-1.2_3"})
    assert mine.headers["x-request-id"] == mine.json()["request_id"] == "Trace-1.2_3"
    made = [http.get(path).headers["x-request-id"] for path in ("/healthz", "/v1/none", "/docs", "/", "/healthz")]
    assert len(set(made)) == 5
    for given in ("two words", "x" * 65, "a;b", "<b>", ""):
        answer = http.get("/healthz", headers={"X-Request-ID": given})
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers.get_list("x-request-id")[0])


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    check_problem(http.post("/v1/search", files={"file": random.Random(1).randbytes(13 * 2**20)}), 413)

    def without_end_in_sight() -> Iterator[bytes]:  # chunked: no Content-Length to go by
        for _ in range(13):
            yield b" " * 2**20

    answer = http.post("/v1/search", content=without_end_in_sight(), headers={"Content-Type": "application/json"})
    check_problem(answer, 413)


def test_nothing_else_is_open(http: httpx.Client) -> None:
    for method, path, allowed in (
        ("GET", "/v1/search", "POST"),
        ("DELETE", "/v1/images/x", "GET"),
        ("PUT", "/docs", "GET"),
    ):
        answer = http.request(method, path)
        check_problem(answer, 405)
        assert answer.headers["allow"] == allowed
    for wrong in ("nobody", "..%2f..%2fetc%2fpasswd", "%00", "x?gallery=nowhere"):
        check_problem(http.get(f"/v1/images/{wrong}"), 404)
    for wrong in ("x" * 5000, "x?gallery=../shapes"):
        check_problem(http.get(f"/v1/images/{wrong}"), 422)
    check_problem(http.get("/v1/gallery?name=nowhere"), 404)
    for path in ("/v1/", "/v1/none", "/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/queue/join"):
        check_problem(http.get(path), 404)
    check_problem(http.post("/gradio_api/upload", files={"files": b"x"}), 404)
    check_problem(http.post("/gradio_api/run/predict", json={"data": [""], "fn_index": 0}), 404)
    check_problem(http.get("/gradio_api/proxy=http://127.0.0.1:1/"), 404)
