"""The HTTP API over real HTTP: right answers to every way of asking."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from serve.models import HOUSE
from sketchray.data.images import decode_image
from sketchray.data.raster import Bitmap, Sketch, Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.gallery import merge, open_gallery
from sketchray.storage import open_store

pytestmark = pytest.mark.slow
ARROW = [[[10, 90, 60], [50, 50, 20]], [[90, 60], [50, 80]]]
Scored = list[tuple[str, float]]


@pytest.fixture(scope="module")
def http(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=240) as client:
        yield client


def embed(served: Any, *sketches: Sketch) -> np.ndarray:
    """Return the mean of the sketches' unit vectors, normalised again, computed in this process one by one."""
    vectors = []
    for sketch in sketches:
        image_3HW = torch.from_numpy(prepare_sketch(sketch, 64))
        with torch.inference_mode():
            vectors.append(served.encoder(image_3HW[None], torch.zeros(1, dtype=torch.bool))[0].numpy())
    mean_D = np.mean(vectors, axis=0)
    return np.asarray(mean_D / np.linalg.norm(mean_D))


def brute_force(served: Any, query_D: np.ndarray) -> Scored:
    """Score every picture one by one, in this process; best first."""
    scored = [(picture.id, float(np.dot(query_D, picture.vector_D))) for picture in served.pictures.values()]
    return sorted(scored, key=lambda pair: -pair[1])


def check_answer(served: Any, answer: dict[str, Any], scored: Scored, expected: Scored) -> None:
    """Compare an answer with the expected part of the whole ranking.

    Float32 rounding may swap equals, so ids are compared through their scores.
    """
    scores, results = dict(scored), answer["results"]
    assert [result["score"] for result in results] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert len({result["id"] for result in results}) == len(expected)
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
    assert (answer["gallery"], answer["gallery_version"]) == ("shapes", served.version)
    assert answer["ranking"] == "nearest"
    assert answer["model"].endswith(served.encoder.fingerprint[:12])
    assert answer["timings_ms"]["total"] >= answer["timings_ms"]["encode"] >= 0


def drawing(kind: str = "PNG", size: int = 120) -> bytes:
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    for xs, ys in HOUSE:
        points = [(x * size / 100, y * size / 100) for x, y in zip(xs, ys, strict=True)]
        pen.line(points, fill="black", width=size // 40)
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def ask(http: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = http.post("/v1/search", json=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


def test_strokes_rank_as_brute_force_does(served: Any, http: httpx.Client) -> None:
    scored = brute_force(served, embed(served, Strokes.from_json(HOUSE)))
    check_answer(served, ask(http, strokes=HOUSE, limit=17), scored, scored[:17])
    assert len(ask(http, strokes=HOUSE)["results"]) == 20
    assert len(ask(http, strokes=HOUSE, limit=200)["results"]) == 60


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_pictures_rank_as_brute_force_does(served: Any, http: httpx.Client, kind: str) -> None:
    data = drawing(kind)
    answer = http.post("/v1/search", files={"file": ("a name", data)}, data={"limit": "9"})
    assert answer.status_code == 200
    scored = brute_force(served, embed(served, Bitmap.from_image(decode_image(data))))
    check_answer(served, answer.json(), scored, scored[:9])


def test_several_sketches_are_averaged(served: Any, http: httpx.Client) -> None:
    scored = brute_force(served, embed(served, Strokes.from_json(HOUSE), Strokes.from_json(ARROW)))
    check_answer(served, ask(http, sketches=[HOUSE, ARROW], limit=9), scored, scored[:9])
    data = [drawing(), drawing("JPEG", 300)]
    answer = http.post("/v1/search?limit=9", files=[("file", each) for each in data])
    scored = brute_force(served, embed(served, *(Bitmap.from_image(decode_image(each)) for each in data)))
    check_answer(served, answer.json(), scored, scored[:9])


def test_pages_make_up_the_ranking(served: Any, http: httpx.Client) -> None:
    scored = brute_force(served, embed(served, Strokes.from_json(HOUSE)))
    ids = []
    for offset in range(0, 63, 7):
        page = ask(http, strokes=HOUSE, limit=7, offset=offset)
        check_answer(served, page, scored, scored[offset : offset + 7])
        ids += [result["id"] for result in page["results"]]
    assert sorted(ids) == sorted(served.pictures)
    assert ids == [result["id"] for result in ask(http, strokes=HOUSE, limit=60)["results"]]


def test_more_like_a_picture(served: Any, http: httpx.Client) -> None:
    for picture in list(served.pictures.values())[:3]:
        scored = brute_force(served, picture.vector_D)
        others = [pair for pair in scored if pair[0] != picture.id]
        check_answer(served, ask(http, like=picture.id, limit=11), scored, others[:11])
        check_answer(served, ask(http, like=picture.id, limit=11, offset=11), scored, others[11:22])


@pytest.mark.parametrize(
    ("condition", "keep"),
    [
        ("label is null", lambda picture: picture.label is None),
        ("label in ('shape 2', 'shape 5')", lambda picture: picture.label in ("shape 2", "shape 5")),
        ("uri contains '_3' and label is not null", lambda picture: "_3" in picture.uri and picture.label),
        ("id = 'nobody'", lambda picture: False),
    ],
)
def test_filters(served: Any, http: httpx.Client, condition: str, keep: Any) -> None:
    scored = brute_force(served, embed(served, Strokes.from_json(HOUSE)))
    kept = [pair for pair in scored if keep(served.pictures[pair[0]])]
    assert len(kept) < 60
    check_answer(served, ask(http, strokes=HOUSE, filter=condition), scored, kept[:20])
    answer = http.post("/v1/search", params={"filter": condition}, json={"strokes": HOUSE})
    check_answer(served, answer.json(), scored, kept[:20])


@pytest.mark.parametrize("ranking", ["nearest", "cluster", "mixture", "manifold"])
def test_rankings_are_the_gallerys(served: Any, http: httpx.Client, ranking: Any) -> None:
    gallery = open_gallery(open_store(served.store), "shapes")
    query_1D = embed(served, Strokes.from_json(HOUSE))[None].astype(np.float32)
    shards = [gallery.shard(index) for index in range(gallery.manifest.content.shards)]
    hits = merge((shard.search(query_1D, 60, ranking=ranking)[0] for shard in shards), 60)
    answer = ask(http, strokes=HOUSE, ranking=ranking, limit=60)
    assert answer["ranking"] == ranking
    assert [result["score"] for result in answer["results"]] == pytest.approx([hit.score for hit in hits], abs=1e-5)
    assert {result["id"] for result in answer["results"]} == {hit.id for hit in hits}


def test_a_batch_is_answered_in_its_order(served: Any, http: httpx.Client) -> None:
    queries = [{"strokes": HOUSE}, {"strokes": []}, {"strokes": ARROW, "limit": 3}, {"strokes": HOUSE, "gallery": "no"}]
    answer = http.post("/v1/search:batch", json={"queries": queries}, headers={"X-Request-ID": "my-batch"})
    assert answer.status_code == 200
    house, blank, arrow, elsewhere = answer.json()["answers"]
    for found, drawn, limit in ((house, HOUSE, 20), (arrow, ARROW, 3)):
        scored = brute_force(served, embed(served, Strokes.from_json(drawn)))
        check_answer(served, found, scored, scored[:limit])
    assert (blank["status"], elsewhere["status"]) == (422, 404)
    assert {part["request_id"] for part in (house, blank, arrow, elsewhere)} == {"my-batch"}


def test_thumbnails(served: Any, http: httpx.Client) -> None:
    for picture in served.pictures.values():
        answer = http.get(f"/v1/images/{picture.id}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content == picture.jpeg
    assert answer.headers["cache-control"].startswith("private, max-age")
    etag = answer.headers["etag"]
    for known in (etag, f'"other", W/{etag}', "*"):
        again = http.get(f"/v1/images/{picture.id}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert http.get(f"/v1/images/{picture.id}", headers={"If-None-Match": '"other"'}).status_code == 200


def test_galleries(served: Any, http: httpx.Client) -> None:
    default, other = http.get("/v1/galleries").json()["galleries"]
    assert default == http.get("/v1/gallery").json() == http.get("/v1/gallery?name=shapes").json()
    assert (default["gallery"], default["gallery_version"], default["pictures"]) == ("shapes", served.version, 60)
    assert (default["default"], other["default"]) == (True, False)
    assert set(default["rankings"]) == {"nearest", "cluster", "mixture", "manifold"}
    assert not default["calibrated"]
    assert "not calibrated" in default["calibration_note"]
    found = ask(http, strokes=HOUSE, gallery=other["gallery"], limit=1)
    assert (found["gallery"], found["gallery_version"]) == (other["gallery"], other["gallery_version"])
    image = found["results"][0]["image"]
    assert image.endswith(f"?gallery={other['gallery']}")
    assert http.get(image).content == served.pictures[found["results"][0]["id"]].jpeg


def test_health_and_pages(served: Any, http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz").json()
    assert (ready["status"], ready["pictures"], ready["shards"]) == ("ready", 60, 2)
    docs = http.get("/docs").text
    assert f"{served.url}/v1/search" in docs
    assert "https://" not in docs
    elsewhere = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "sketches.example:8443"}
    assert "https://sketches.example:8443/v1/search" in http.get("/docs", headers=elsewhere).text
    assert "<script" not in http.get("/docs", headers={"X-Forwarded-Host": "<script>x</script>"}).text
    attribution = http.get("/attribution")
    assert attribution.headers["content-type"].startswith("text/html")
    assert "Drawn by the tests" in attribution.text
    assert "<script" not in attribution.text


def test_many_at_once_are_all_answered(served: Any, http: httpx.Client) -> None:
    """Each of 32 callers, 8 at a time, gets the answer to its own drawing, out of the shared batches."""
    shapes = [[[[0, 50 + n, 100], [100, n, 100 - n]]] for n in range(32)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda shape: ask(http, strokes=shape, limit=5), shapes * 2))
    for shape, answer in zip(shapes * 2, answers, strict=True):
        scored = brute_force(served, embed(served, Strokes.from_json(shape)))
        check_answer(served, answer, scored, scored[:5])


def test_the_page_comes_from_any_replica(http: httpx.Client) -> None:
    pages = {http.get("/").status_code for _ in range(16)}
    assert pages == {200}
    dependencies = [http.get("/config").json()["dependencies"] for _ in range(16)]
    assert all(event["backend_fn"] is False for events in dependencies for event in events)
    assert dependencies == dependencies[:1] * 16
