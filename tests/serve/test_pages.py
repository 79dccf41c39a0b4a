"""Pages for people: what a stranger's Markdown or Host header can do to them, which is nothing."""

import pytest
from starlette.requests import Request

from serve.routes.pages import attribution_page, visited
from sketchray.data.starter.attribution import attribution


def request(**headers: str) -> Request:
    """Return a request over http with these headers."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": "http", "server": ("10.0.0.1", 80), "path": "/", "headers": raw}
    return Request(scope)


def test_the_starter_sets_attribution_is_a_page() -> None:
    page = attribution_page(attribution())
    assert "<h1>Where these sketches and pictures come from</h1>" in page
    assert '<a href="https://' in page
    assert "$" not in page


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "[a](data:text/html,<script>)",
        '[a](https://x "<script>")',
        "![a](https://elsewhere/picture.png)",
        "<img src=x onerror=alert(1)>",
        "`<script>`",
    ],
)
def test_markdown_of_strangers_does_nothing(markdown: str) -> None:
    body = attribution_page(markdown).partition("<body>")[2]
    for harm in ("<script", "<img", 'href="javascript', 'href="data'):
        assert harm not in body


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"host": "localhost:8123"}, "http://localhost:8123"),
        ({"host": "[::1]:80"}, "http://[::1]:80"),
        ({"host": "in", "x_forwarded_host": "out.example", "x_forwarded_proto": "https"}, "https://out.example"),
        ({"host": "in", "x_forwarded_host": "a.example, b.example"}, "http://a.example"),
        ({"host": "in", "x_forwarded_proto": "javascript"}, "http://in"),
        ({"host": "a b"}, "http://localhost"),
        ({"host": "$(reboot)"}, "http://localhost"),
        ({"host": "x'; reboot; '"}, "http://localhost"),
        ({}, "http://localhost"),
    ],
)
def test_examples_name_the_host_that_was_reached(headers: dict[str, str], base: str) -> None:
    assert visited(request(**headers)) == base
