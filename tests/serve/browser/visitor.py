"""A person at the page, and everything that the browser did behind their back."""

import hashlib
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
        self.page = self.context.new_page()
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page.on("request", self._asked)
        self.page.on("requestfailed", self._failed)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)
        self.page.locator("#pad canvas").wait_for()
        self.page.get_by_text("Draw something").wait_for()

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlparse(request.url).netloc)

    def _failed(self, request: Any) -> None:
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
        """Return a digest of what the pad shows."""
        pixels = self.page.locator("#pad canvas").evaluate("canvas => canvas.toDataURL()")
        return hashlib.sha256(pixels.encode()).hexdigest()[:12]

    def leave(self) -> None:
        """Check that nothing was fetched from elsewhere, nothing failed, and nothing hostile ran."""
        assert self.hosts == {urlparse(self.url).netloc}
        assert self.complaints == []
        assert self.page.evaluate("window.pwned") is None
        self.context.close()
