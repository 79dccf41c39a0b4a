"""What browsers are told: the page's policy fits the page, other answers run nothing, other sites come in by name."""

import base64
import gzip
import hashlib
import re
from functools import partial

import pytest

from serve.access import OPEN, Access
from serve.canvas import mount_canvas
from serve.headers import page_policy, script_hashes
from tests.serve.replicas import STROKES, Replica

SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def replica() -> Replica:
    """The whole application with its page, for everybody."""
    return Replica(OPEN, mount=partial(mount_canvas, attribution=True))


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


def test_the_pages_scripts_are_those_that_its_policy_names(replica: Replica) -> None:
    answer = replica.http.get("/")
    assert answer.status_code == 200
    named = directives(answer.headers["content-security-policy"])
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", answer.text, re.DOTALL)
    inline = [script for script in scripts if script]
    assert len(inline) >= 3
    for script in inline:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in named["script-src"]
    assert "'unsafe-inline'" not in named["script-src"]
    assert "'self'" in named["script-src"]
    assert named["frame-ancestors"] == named["object-src"] == ["'none'"]
    assert named["default-src"] == ["'self'"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_page_is_packed_for_who_can_unpack_it(replica: Replica) -> None:
    plain = replica.http.get("/", headers={"Accept-Encoding": "identity"})
    with replica.http.stream("GET", "/", headers={"Accept-Encoding": "br, gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(raw) == int(answer.headers["content-length"]) < len(plain.content) / 2
    assert gzip.decompress(raw) == plain.content
    assert answer.headers["content-security-policy"] == plain.headers["content-security-policy"]
    head = replica.http.head("/")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/search", 200),
        ("GET", "/v1/images/known", 200),
        ("GET", "/v1/none", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/search", 405),
        ("POST", "/", 405),
        ("GET", "/healthz", 200),
        ("GET", "/docs", 200),
        ("GET", "/attribution", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/theme.css", 200),
        ("GET", "/static/img/logo.svg", 200),
    ],
)
def test_no_other_answer_runs_anything(replica: Replica, method: str, path: str, status: int) -> None:
    answer = replica.http.request(method, path, json=STROKES if method == "POST" else None)
    assert answer.status_code == status
    named = directives(answer.headers["content-security-policy"])
    assert named["default-src"] == named["frame-ancestors"] == ["'none'"]
    assert "script-src" not in named
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_an_unforeseen_error_has_the_headers_too(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(replica.searcher, "search", broken)
    answer = replica.http.post("/v1/search", json=STROKES)
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "nobody thought" not in answer.text


def test_the_sign_in_page_runs_its_own_script_only(replica: Replica) -> None:
    answer = replica.http.get("/signin")
    named = directives(answer.headers["content-security-policy"])
    assert named["script-src"] == script_hashes(answer.content).split()
    assert len(named["script-src"]) == 1
    assert named["connect-src"] == ["'self'"]
    assert named["form-action"] == named["default-src"] == ["'none'"]


def test_which_scripts_are_inline() -> None:
    html = b"""<script>a()</script><SCRIPT type="module">b()</SCRIPT><script>a()</script><script src="x.js"></script>
    <script async  src = 'y.js'></script><script data-x="1">c(
    )</script><scripture>d</scripture>"""
    expected = [hashlib.sha256(text).digest() for text in (b"a()", b"b()", b"c(\n    )")]
    assert script_hashes(html) == " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in expected)
    assert "'sha256-" not in page_policy(b"<p>nothing runs here</p>")


PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("path", ["/v1/search", "/", "/config", "/theme.css", "/v1/session", "/nowhere", "/healthz"])
def test_no_other_site_is_let_in(replica: Replica, path: str) -> None:
    for origin in (SHOP, "null", "http://localhost:8000"):
        for answer in (
            replica.http.options(path, headers=PREFLIGHT | {"Origin": origin}),
            replica.http.get(path, headers={"Origin": origin}),
        ):
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-credentials" not in answer.headers


def test_a_site_that_is_named_may_call_the_api_but_never_with_cookies() -> None:
    http = Replica(Access(None, 0, (SHOP,)), mount=partial(mount_canvas, attribution=True)).http
    allowed = http.options("/v1/search", headers=PREFLIGHT)
    assert allowed.status_code == 200
    answers = [
        allowed,
        http.post("/v1/search", json=STROKES, headers={"Origin": SHOP}),
        http.get("/", headers={"Origin": SHOP}),
    ]
    assert [answer.headers["access-control-allow-origin"] for answer in answers] == [SHOP] * 3
    assert not any("access-control-allow-credentials" in answer.headers for answer in answers)
    assert "X-Request-ID" in answers[1].headers["access-control-expose-headers"]
    for other in ("https://shop.example.evil.example", "http://shop.example", "https://shop.example:8443"):
        answer = http.options("/v1/search", headers=PREFLIGHT | {"Origin": other})
        assert "access-control-allow-origin" not in answer.headers
