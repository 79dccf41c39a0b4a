"""A person at the page, and everything that the browser did behind their back."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

from tests.serve.browser.hand import Line, draw_with_mouse

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 960}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "color_scheme": "dark",
}


PATIENCE_MS = 240_000  # on a machine that does much else


class Visitor:
    """One visit to the page, in a browser context of its own.

    Args:
        browser: playwright's.
        url: of the page.
        context: settings of the context: `DESKTOP`, `PHONE`, or others.
    """

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.url = url
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.searches: set[Any] = set()  # those under way
        self.page.on("request", self._asked)
        self.page.on("requestfinished", self._answered)
        self.page.on("requestfailed", self._failed)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.locator("#pad canvas").wait_for()
        self.page.get_by_text("Draw something").wait_for()

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlparse(request.url).netloc)
        if request.url.endswith("/v1/search"):
            self.searches.add(request)

    def _answered(self, request: Any) -> None:
        self.searches.discard(request)

    def _failed(self, request: Any) -> None:
        self.searches.discard(request)
        if "/v1/images/" in request.url and "ABORTED" in request.failure:
            return  # newer tiles came before a picture
        self.complaints.append(f"{request.url}: {request.failure}")

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def ids(self) -> list[str]:
        """Return the ids of the pictures that are shown, best first."""
        ids: list[str] = self.page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.id)")
        return ids

    def draw(self, line: Line) -> None:
        """Draw one line with the mouse."""
        draw_with_mouse(self.page, line)

    def settle(self, until: Callable[[list[str]], bool] = bool) -> list[str]:
        """Wait until no search is under way and the results stay the same for a while; return their ids.

        Args:
            until: what is true of the ids that are waited for; else it is any at all.
        """
        before, quiet = self.ids(), 0
        for _ in range(600):
            self.page.wait_for_timeout(100)
            now = self.ids()
            quiet = quiet + 1 if now == before and until(now) and not self.searches else 0
            before = now
            if quiet == 8:
                return now
        raise AssertionError(f"the results never came to rest, or were never those that are due: {before}")

    def drawing(self) -> str:
        """Return a digest of what the pad shows."""
        pixels = self.page.locator("#pad canvas").evaluate("canvas => canvas.toDataURL()")
        return hashlib.sha256(pixels.encode()).hexdigest()[:12]

    def leave(self) -> None:
        """Check that nothing was fetched from elsewhere, nothing failed, and nothing hostile ran."""
        assert self.hosts == {urlparse(self.url).netloc}
        assert self.complaints == []
        assert self.page.evaluate("window.pwned") is None
        self.context.close()
