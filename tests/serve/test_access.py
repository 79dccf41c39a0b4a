"""Keys, sessions and rates over HTTP, on a real Ray Serve with two ingress replicas and the limiter's deployment."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from serve.keyfile import change_keys, new_key
from serve.keys import main
from tests.serve.conftest import Picture, serving

pytestmark = pytest.mark.slow
STROKES = [[[10, 90, 90, 10, 10], [50, 50, 95, 95, 50]]]
QUERY = {"strokes": STROKES, "limit": 3}


class Locked(NamedTuple):
    """A running server that needs keys.

    Attributes:
        url: its address.
        pid: of the process that everything else of it descends from.
        keys: URI of the file of keys.
    """

    url: str
    pid: int
    keys: str

    def create(self, **rate: float) -> dict[str, str]:
        """Make a key; return the header that carries it, once every replica knows it."""
        text, made = new_key("ana", **rate)
        change_keys(self.keys, lambda file: file.model_copy(update={"keys": (*file.keys, made)}), create=True)
        header = {"Authorization": f"Bearer {text}"}
        if self.url:
            self.wait_until(200, header)
        return header

    def wait_until(self, status: int, header: dict[str, str]) -> None:
        """Wait until every replica gives this answer: twenty in a row."""
        deadline, row = time.monotonic() + 240, 0
        while row < 20:
            answer = httpx.get(f"{self.url}/v1/gallery", headers=header, timeout=240)
            row = row + 1 if answer.status_code == status else 0
            assert time.monotonic() < deadline, f"not every replica says {status}"

    def search(self, header: dict[str, str]) -> httpx.Response:
        """Ask one question."""
        return httpx.post(f"{self.url}/v1/search", json=QUERY, headers=header, timeout=240)


@pytest.fixture(scope="module")
def locked(
    gallery_folder: tuple[str, str, list[Picture]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Locked]:
    """The test gallery, for who has a key."""
    folder = tmp_path_factory.mktemp("locked")
    keys = f"{folder.as_uri()}/keys.json"
    arguments = {
        "galleries": ["shapes"],
        "store": gallery_folder[0],
        "keys": keys,  # and no word of auth: keys are needed unless open is said
        "keys_poll_s": 0.25,
        "limiter_timeout_s": 30.0,  # on a busy machine it is slow, and not away
        "poll_s": 0.25,
        "ingress": {"num_replicas": 2},
        "encoder": {"threads": 1},
    }
    Locked("", 0, keys).create()
    with serving(arguments, folder) as (url, pid):
        yield Locked(url, pid, keys)


def test_who_has_a_key_searches_and_who_has_lost_it_does_not(locked: Locked) -> None:
    assert locked.search({}).status_code == 401
    assert httpx.get(f"{locked.url}/readyz", timeout=240).status_code == 200
    header = locked.create()
    answer = locked.search(header)
    assert len(answer.json()["results"]) == 3
    with httpx.Client(base_url=locked.url, timeout=240) as browser:
        assert browser.post("/v1/session", json={"key": header["Authorization"].split()[1]}).status_code == 204
        assert browser.post("/v1/search", json=QUERY).json()["results"] == answer.json()["results"]
        picture = answer.json()["results"][0]["image"]
        assert browser.get(picture).headers["content-type"] == "image/jpeg"
        assert httpx.get(f"{locked.url}{picture}", timeout=240).status_code == 401
        assert "connect_heartbeat" in browser.get("/config").text
        assert main(["revoke", header["Authorization"].split("_")[1], "--keys", locked.keys]) == 0
        locked.wait_until(401, header)
        assert {browser.get(picture).status_code for _ in range(20)} == {401}


def test_one_rate_for_all_replicas_and_without_the_limiter(locked: Locked) -> None:
    rate, burst, asked = 0.2, 30.0, 80  # so low that a slow machine does not keep within it either
    header = locked.create(rate=rate, burst=burst)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: locked.search(header), range(asked)))
    took_s = time.monotonic() - began
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert burst - 5 <= statuses[200] <= burst + rate * took_s
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)

    other = locked.create(rate=1000.0, burst=1000.0)
    (limiter,) = (
        process
        for process in psutil.Process(locked.pid).children(recursive=True)
        if ":limiter" in " ".join(process.cmdline())
    )
    limiter.kill()
    until = time.monotonic() + 4  # it is away, and comes back
    while time.monotonic() < until:
        assert locked.search(other).status_code == 200


URLS = ("http://{}/x.png", "//{}/x.png", "\\\\{}\\x")


def test_no_address_that_a_caller_sends_is_ever_opened(locked: Locked) -> None:
    header = locked.create()
    with (
        socket.create_server(("127.0.0.1", 0)) as bait,
        httpx.Client(base_url=locked.url, headers=header, timeout=240) as http,
    ):
        host = f"127.0.0.1:{bait.getsockname()[1]}"
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://{host}/x"/></svg>'.encode()
        for url in (form.format(host) for form in URLS):
            bodies: list[dict[str, Any]] = [
                {"json": {"strokes": url}},
                {"json": {"url": url}},
                {"json": {"like": url}},
                {"json": {"path": url, "meta": {"_type": "gradio.FileData"}}},
                {"data": {"file": url}, "files": {"other": b"x"}},
                {"files": {"file": url.encode()}},
                {"files": {"file": (url, svg, "image/svg+xml")}},
                {"content": f"#EXTM3U\n{url}".encode(), "headers": {"Content-Type": "image/png"}},
            ]
            for path in ("/v1/search", "/v1/explain", "/v1/session", "/", "/gradio_api/upload", "/gradio_api/run/x"):
                assert {http.post(path, **body).status_code // 100 for body in bodies} == {4}
            for path in (f"/v1/images/{url}", f"/gradio_api/proxy={url}", f"/gradio_api/file={url}", f"/static/{url}"):
                assert http.get(path).status_code == 404
            about = {"X-Forwarded-Host": host, "Referer": url, "Origin": url, "X-Forwarded-For": host}
            assert http.get("/config", headers=about, params={"url": url, "gallery": url}).status_code == 200
        bait.settimeout(0.5)
        with pytest.raises(TimeoutError):
            bait.accept()
