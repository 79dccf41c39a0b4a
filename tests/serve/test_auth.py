"""Who is let in, and by what: the real application twice, over one file of keys and one limiter."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from serve.access import OPEN, AccessArgs, with_keys
from serve.auth import PUBLIC, Authenticate, Rate
from serve.errors import ProblemError
from serve.keyfile import KeyFileError
from serve.keys import main
from serve.models import Ready
from serve.routes.health import FRESH_S, Probe
from sketchray.storage import open_store
from tests.serve.replicas import STROKES, Replica
from tests.serve.two_replicas import SESSION, Site

PICTURE = "/v1/images/known"


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """With a rate that no test reaches."""
    return Site(tmp_path, capsys, Rate(1000.0, 1000.0))


def routes(replica: Replica) -> Iterator[tuple[str, str]]:
    """Every route that the API describes."""
    for path, operations in replica.app.openapi()["paths"].items():
        for method in operations:
            yield method.upper(), re.sub(r"\{\w+\}", "known", path)


def test_no_route_was_forgotten(site: Site) -> None:
    closed = [(method, path) for method, path in routes(site.replicas[0]) if not PUBLIC.fullmatch(path)]
    closed += [
        ("GET", "/"),
        ("GET", "/config"),
        ("GET", "/assets/index.js"),
        ("GET", "/v1/none"),
        ("PUT", "/v1/search"),
    ]
    assert len(closed) > 8
    for method, path in closed:
        answer = site.http.request(method, path)
        assert (answer.status_code, path) == (401, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert site.asked() == 0
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/signin", SESSION):
        assert site.http.get(path).status_code == 200


def test_a_key_opens_by_either_header(site: Site) -> None:
    for headers in (site.bearer(), {"authorization": f"bearer  {site.key} "}, {"X-API-Key": site.key}):
        assert site.http.post("/v1/search", json=STROKES, headers=headers).status_code == 200
        assert site.http.get("/v1/images/known", headers=headers).content == b"jpeg"


def test_what_is_not_the_key_does_not(site: Site) -> None:
    wrong = [f"Bearer {site.key}x", f"Bearer {site.key[:-1]}", f"Basic {site.key}", "Bearer", "Bearer ", site.key, ""]
    for text in wrong:
        assert site.http.get(PICTURE, headers={"Authorization": text}).status_code == 401
    assert site.http.get(PICTURE, headers={b"X-API-Key": "é".encode()}).status_code == 401
    assert site.http.get(PICTURE, params={"key": site.key}).status_code == 401  # never in an address
    assert site.asked() == 0


def test_a_browser_signs_in_and_out(site: Site) -> None:
    http = site.http
    assert http.get(SESSION).json() == {"signed_in": False, "required": True, "name": None}
    answer = http.post(SESSION, json={"key": f" {site.key}\n"})
    assert (answer.status_code, answer.content) == (204, b"")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-sketchray_session=v1.")
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert attributes == {"Max-Age=3600", "Path=/", "HttpOnly", "SameSite=Strict", "Secure"}
    assert site.key.split("_", 2)[2] not in cookie
    assert http.get(SESSION).json() == {"signed_in": True, "required": True, "name": "ana"}
    assert http.post("/v1/search", json=STROKES).status_code == 200
    other = site.replicas[1].http  # which has never seen this session
    other.cookies.update(http.cookies)
    assert other.get("/v1/images/known").content == b"jpeg"
    assert http.delete(SESSION).status_code == 204
    assert http.get(PICTURE).status_code == 401


def test_over_plain_http_the_cookie_comes_back_too(site: Site) -> None:
    plain = Replica(site.replicas[0].access, base_url="http://sketch.example").http
    assert plain.post(SESSION, json={"key": site.key}).headers["set-cookie"].startswith("sketchray_session=")
    assert plain.get(PICTURE).status_code == 200
    behind_a_proxy = plain.post(SESSION, json={"key": site.key}, headers={"X-Forwarded-Proto": "https"})
    assert behind_a_proxy.headers["set-cookie"].startswith("__Host-")
    assert "; Secure" in behind_a_proxy.headers["set-cookie"]


def test_a_wrong_key_signs_nobody_in(site: Site) -> None:
    for key in ("x", site.key[:-1], site.key.upper()):
        answer = site.http.post(SESSION, json={"key": key})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "not known here" in answer.json()["detail"]
    for body in ({}, {"key": ""}, {"key": "x" * 257}, {"key": 5}, {"key": site.key, "next": "/"}):
        assert site.http.post(SESSION, json=body).status_code == 422


def test_little_is_read_from_who_has_no_key(site: Site) -> None:
    for body in (b'{"key": "' + b"x" * 5000 + b'"}', b"[" * 5000, b" " * 10_000_000):
        answer = site.http.post(SESSION, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
        assert "4 KiB" in answer.json()["detail"]


def test_who_has_no_key_cannot_make_the_encoder_busy() -> None:
    """Anybody may ask whether the endpoint is ready, however often."""
    probes = 0

    async def ready() -> Ready:
        nonlocal probes
        probes += 1
        await asyncio.sleep(0.05)
        if probes == 2:
            raise ProblemError(503, "Not now.", retry_after=1)
        return Ready(gallery="shapes", gallery_version="1", pictures=1, shards=1, model="none")

    async def live() -> None:
        now = 0.0
        probe = Probe(ready, lambda: now)
        assert len(await asyncio.gather(*(probe() for _ in range(20)))) == 20
        assert probes == 1
        now += FRESH_S
        problems = await asyncio.gather(*(probe() for _ in range(20)), return_exceptions=True)
        assert [type(problem) for problem in problems] == [ProblemError] * 20
        assert probes == 2
        now += FRESH_S
        assert (await probe()).status == "ready"

    asyncio.run(live())


def test_a_session_is_over_in_time(site: Site) -> None:
    site.http.post(SESSION, json={"key": site.key})
    site.clock.s += 3599
    assert site.http.get(PICTURE).status_code == 200
    site.clock.s += 1
    assert site.http.get(PICTURE).status_code == 401


def test_a_revoked_key_is_out_everywhere_with_its_sessions(site: Site) -> None:
    other_key = site.create("ben")
    for replica in site.replicas:
        assert replica.refresh()
        assert replica.http.post(SESSION, json={"key": site.key}).status_code == 204
        assert replica.http.get(PICTURE).status_code == 200
    assert main(["revoke", site.key.split("_")[1], "--keys", site.uri]) == 0
    for replica in site.replicas:
        assert replica.refresh()
        assert replica.http.get(PICTURE).status_code == 401  # by its cookie
        assert replica.http.get(PICTURE, headers=site.bearer()).status_code == 401
        assert replica.http.get(PICTURE, headers=site.bearer(other_key)).status_code == 200


def test_a_key_that_is_shown_counts_more_than_a_cookie(site: Site) -> None:
    site.http.post(SESSION, json={"key": site.key})
    assert site.http.get(PICTURE, headers=site.bearer("sketchray_wrong")).status_code == 401


OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another host of the same domain
    {"Origin": "https://evil.example"},
    {"Origin": "https://sketch.example.evil.example"},
    {"Origin": "https://sketch.example:8443"},
    {"Origin": "null"},
    {"Origin": "https://sketch.example", "Sec-Fetch-Site": "cross-site"},
]
OURS = [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://sketch.example"}]


def test_other_sites_cannot_use_a_browsers_session(site: Site) -> None:
    site.http.post(SESSION, json={"key": site.key})
    for headers in OURS:
        assert site.http.post("/v1/search", json=STROKES, headers=headers).status_code == 200
    for headers in OTHERS:
        assert site.http.post("/v1/search", json=STROKES, headers=headers).status_code == 401
        assert site.http.get("/v1/images/known", headers=headers).status_code == 401
        assert site.http.post(SESSION, json={"key": site.key}, headers=headers).status_code == 403
        assert site.http.post("/v1/search", json=STROKES, headers=headers | site.bearer()).status_code == 200


def test_a_person_is_shown_the_way_in(site: Site) -> None:
    answer = site.http.get("/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/signin?next=%2F")
    assert answer.headers["cache-control"] == "no-store"
    deep = site.http.get("/?__theme=dark", headers={"Accept": "text/html"})
    assert deep.headers["location"] == "/signin?next=%2F%3F__theme%3Ddark"
    page = site.http.get("/signin")
    assert page.headers["content-type"].startswith("text/html")
    assert "API key" in page.text


def test_nothing_of_a_request_is_read_before_its_key(site: Site) -> None:
    async def unread() -> Message:
        raise AssertionError("it was read")

    async def live(path: str) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def inner(*_: Any) -> None:
            raise AssertionError("it was let in")

        keys = site.replicas[0].access.keys
        assert keys is not None
        scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"content-length", b"9999")]}
        await Authenticate(inner, **keys._asdict())(scope, unread, send)
        return sent

    assert asyncio.run(live("/v1/search"))[0]["status"] == 401


def test_an_open_endpoint_asks_for_nothing() -> None:
    http = Replica(OPEN).http
    assert http.post("/v1/search", json=STROKES).status_code == 200
    assert http.get(SESSION).json() == {"signed_in": False, "required": False, "name": None}
    assert http.post(SESSION, json={"key": "x"}).status_code == 404
    assert http.delete(SESSION).status_code == 204


def test_keys_are_asked_for_unless_open_is_said(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    with pytest.raises(KeyFileError, match=r"python -m serve\.keys create NAME --keys .*keys\.json.*auth: open"):
        with_keys(AccessArgs(), store)
    with pytest.raises(KeyFileError, match="elsewhere"):
        with_keys(AccessArgs(keys=str(tmp_path / "elsewhere")), store)
    assert with_keys(AccessArgs(auth="open"), store).keys is None
    main(["create", "ana", "--keys", str(tmp_path / "keys.json")])
    assert with_keys(AccessArgs(), store).keys == store.uri_of("keys.json")
    (tmp_path / "keys.json").write_text("{}x")
    with pytest.raises(KeyFileError, match="not a file of API keys"):
        with_keys(AccessArgs(), store)


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "https://a b", "null", "", "ftp://x"])
def test_origins_are_written_as_browsers_do(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        AccessArgs(cors_origins=(origin,))
