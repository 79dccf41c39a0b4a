"""The page in a real browser: one draws, pictures come.

``SKETCHRAY_PAGE=URL`` drives a page that runs already; ``SKETCHRAY_SCREENSHOTS=FOLDER`` keeps the screenshots.
"""

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def ring(x: float, y: float, radius: float, turn: float = 2 * math.pi) -> list[tuple[float, float]]:
    angles = [turn * step / 32 for step in range(33)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


# A cat, in fractions of the pad.
HEAD = ring(0.5, 0.56, 0.3)
REST = [
    [(0.26, 0.36), (0.24, 0.1), (0.42, 0.26)],
    [(0.58, 0.26), (0.76, 0.1), (0.74, 0.36)],
    ring(0.39, 0.5, 0.035),
    ring(0.61, 0.5, 0.035),
    [(0.46, 0.6), (0.54, 0.6), (0.5, 0.65), (0.46, 0.6)],
    ring(0.45, 0.66, 0.05, math.pi),
    ring(0.55, 0.66, 0.05, math.pi),
    *([(0.5 + side * 0.15, 0.62), (0.5 + side * 0.42, 0.62 + tilt)] for side in (-1, 1) for tilt in (-0.04, 0.04)),
]


def no_browser(reason: str) -> None:
    """Skip on a person's machine; in CI a browser that is missing is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs a browser: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        no_browser(f"none of {', '.join(BROWSERS)} is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        no_browser(str(error))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SKETCHRAY_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    return os.environ.get("SKETCHRAY_PAGE") or str(request.getfixturevalue("served").url)


class Visitor:
    """A person at the page, and everything the browser did behind their back."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.hosts.add(urlparse(request.url).netloc))
        self.page.on("requestfailed", self._failed)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.locator("canvas").wait_for()
        self.page.get_by_text("Draw something").wait_for()

    def _failed(self, request: Any) -> None:
        if (
            "/v1/images/" not in request.url or "ABORTED" not in request.failure
        ):  # newer tiles may come before a picture
            self.complaints.append(f"{request.url}: {request.failure}")

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def ids(self) -> list[str]:
        ids: list[str] = self.page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")
        return ids

    def draw(self, line: list[tuple[float, float]]) -> None:
        box = self.page.locator("canvas").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=3)
        self.page.mouse.up()

    def settle(self) -> list[str]:
        """Wait until the results stay the same for a while; return their ids."""
        before, quiet = self.ids(), 0
        for _ in range(100):
            self.page.wait_for_timeout(100)
            now = self.ids()
            quiet = quiet + 1 if now == before else 0
            before = now
            if quiet == 8:
                return now
        raise AssertionError("the results never came to rest")

    def drawing(self) -> str:
        """Return what the pad shows, as a data URL."""
        return str(self.page.locator("canvas").evaluate("canvas => canvas.toDataURL()"))

    def leave(self, url: str) -> None:
        """Check that nothing was fetched from elsewhere, nothing failed, and nothing hostile ran."""
        assert self.hosts == {urlparse(url).netloc}
        assert self.complaints == []
        assert self.page.evaluate("window.pwned") is None
        self.context.close()


def test_drawing_with_the_mouse(browser: Any, url: str, screenshots: Path) -> None:
    visitor = Visitor(browser, url, viewport={"width": 1280, "height": 960})
    page = visitor.page
    undo, clear = page.get_by_role("button", name="Undo"), page.get_by_role("button", name="Clear")
    assert undo.is_disabled()
    assert clear.is_disabled()
    assert visitor.ids() == []
    bare = visitor.drawing()

    visitor.draw(HEAD)  # at once: there is no tool to pick
    page.locator(".tile").first.wait_for()
    after_head, head = visitor.settle(), visitor.drawing()
    assert len(after_head) == 24
    scores = [float(text) for text in page.locator(".score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert all(name.strip() for name in page.locator(".name").all_inner_texts())

    for line in REST:
        visitor.draw(line)
    whole = visitor.settle()
    assert whole != after_head
    assert visitor.drawing() not in (bare, head)
    page.wait_for_function("[...document.querySelectorAll('.tile img')].slice(0, 12).every(i => i.naturalWidth > 0)")
    page.screenshot(path=screenshots / "canvas.png")

    page.mouse.wheel(0, 300)  # beside long results the pad stays in sight
    page.wait_for_timeout(300)
    assert page.locator("canvas").bounding_box()["y"] >= 0
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)

    for _ in REST:
        undo.click()
    assert visitor.settle() == after_head
    assert visitor.drawing() == head

    clear.click()
    page.get_by_text("Draw something").wait_for()
    assert visitor.ids() == []
    assert visitor.drawing() == bare
    page.keyboard.press("Control+z")  # Clear itself can be undone
    assert visitor.settle() == after_head
    visitor.leave(url)


def test_results_come_while_the_line_still_grows(browser: Any, url: str) -> None:
    visitor = Visitor(browser, url, viewport={"width": 1280, "height": 960})
    box = visitor.page.locator("canvas").bounding_box()
    visitor.page.mouse.move(box["x"] + 100, box["y"] + 100)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 200, box["y"] + 300, steps=10)
    visitor.page.locator(".tile").first.wait_for()
    visitor.page.mouse.up()
    visitor.leave(url)


def test_a_finger_on_a_phone_in_the_dark(browser: Any, url: str, screenshots: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    visitor = Visitor(browser, url, **phone, device_scale_factor=2)
    page = visitor.page
    bare = visitor.drawing()
    touch = visitor.context.new_cdp_session(page)
    box = page.locator("canvas").bounding_box()
    for line in [HEAD, *REST]:
        places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in line]
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
        for place in places[1:]:
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert len(visitor.settle()) == 24
    assert visitor.drawing() != bare
    assert page.evaluate("window.scrollY") == 0  # the finger drew, the page stayed
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / "canvas-phone.png")
    visitor.leave(url)


def test_trouble_is_a_sentence_and_the_drawing_stays(browser: Any, url: str) -> None:
    visitor = Visitor(browser, url, viewport={"width": 1280, "height": 960})
    page = visitor.page
    page.route("**/v1/search", lambda route: route.abort())
    visitor.draw(HEAD)
    page.get_by_text("The search cannot be reached just now.").wait_for()
    page.unroute("**/v1/search")
    page.route("**/v1/search", lambda route: route.fulfill(status=422, json={"detail": "This is a <b>reason</b>."}))
    visitor.draw(REST[0])
    page.get_by_text("This is a <b>reason</b>.").wait_for()
    page.unroute("**/v1/search")
    visitor.draw(REST[1])
    assert len(visitor.settle()) == 24
    visitor.context.close()


def test_an_older_answer_never_replaces_a_newer_one(browser: Any, url: str) -> None:
    """The pad is cleared while a search is under way; its pictures must not come up then."""
    visitor = Visitor(browser, url, viewport={"width": 1280, "height": 960})
    held: list[Any] = []
    visitor.page.route("**/v1/search", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the function
    visitor.draw(HEAD)
    visitor.page.wait_for_timeout(500)
    (first,) = held  # one search at a time, however much was drawn meanwhile
    visitor.page.get_by_role("button", name="Clear").click()
    visitor.page.wait_for_timeout(500)
    first.continue_()
    visitor.page.wait_for_timeout(1000)
    assert visitor.ids() == []
    visitor.draw(REST[0])
    visitor.page.wait_for_timeout(500)
    held[-1].continue_()
    assert len(visitor.settle()) == 24
    visitor.leave(url)
