"""The drawing pad on an empty page: what Gradio does for it, without Gradio and without a server."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from serve.canvas.assets import asset
from serve.canvas.pad import EMPTY, SCRIPTS
from serve.examples import examples
from tests.serve.browser.hand import Fingers, Line, draw_with_mouse
from tests.serve.browser.visitor import PATIENCE_MS

THEME = """
  body { margin: 12px; font: 16px system-ui, sans-serif; --body-text-color: #1f2937; --border-color-primary: #d4d4d8;
         --background-fill-secondary: #f4f4f5; background: #fff; color: var(--body-text-color); }
  body.dark { --body-text-color: #f4f4f5; --border-color-primary: #3f3f46; --background-fill-secondary: #27272a;
              background: #0b0f19; }
  #pad { %s }
"""
MOUNT = """([script, value, examples]) => {
  window.values = [];
  const props = { value, examples };
  const trigger = name => window.values.push([name, JSON.parse(props.value), performance.now()]);
  Function('element', 'trigger', 'props', script)(document.getElementById('pad'), trigger, props);
}"""
ADDRESS = "http://pad.test/"
AT_REST = "() => new Promise(done => setTimeout(done, 60))"  # longer than the pad waits after a line
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


class BarePad:
    """One pad.

    Args:
        browser: playwright's.
        context: settings of its context, as of `Visitor`.
    """

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        dark = "dark" if context.get("color_scheme") == "dark" else ""
        style = THEME % asset("pad/pad.css")
        document = (
            "<!doctype html><meta name=viewport content='width=device-width'><link rel=icon href='data:,'>"
            f"<body class='{dark}'><style>{style}</style><div id='pad'>{asset('pad/pad.html')}</div>"
        )
        self.page.route(ADDRESS, lambda route: route.fulfill(body=document, content_type="text/html; charset=utf-8"))
        self.open()
        self.fingers = Fingers(self.page) if context.get("has_touch") else None

    def _asked(self, request: Any) -> None:
        if request.url != ADDRESS and not request.url.startswith("data:"):
            self.complaints.append(request.url)

    def open(self, *, fresh: bool = False) -> None:
        """Load the page, for the first time or again; a fresh one remembers nothing."""
        self.page.goto(ADDRESS)
        if fresh:
            self.page.evaluate("sessionStorage.clear()")
        script = asset(*(f"pad/{name}.js" for name in SCRIPTS))
        self.page.evaluate(MOUNT, [script, EMPTY, [[example.name, example.strokes] for example in examples()]])

    def button(self, name: str) -> Any:
        """Return a button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        """Press a button."""
        self.button(name).click()

    def draw(self, *lines: Line) -> None:
        """Draw lines, with the mouse or with a finger."""
        for line in lines:
            self.fingers.draw(line) if self.fingers else draw_with_mouse(self.page, line)

    def values(self) -> list[dict[str, Any]]:
        """Wait until the pad is at rest; return all that it has sent, oldest first."""
        self.page.evaluate(AT_REST)
        return [value for _, value, _ in self.page.evaluate("window.values")]

    def value(self) -> dict[str, Any]:
        """Wait until the pad is at rest; return what it sent last."""
        value: dict[str, Any] = [json.loads(EMPTY), *self.values()][-1]
        return value

    def notice(self) -> str:
        """Return the message under the pad."""
        return str(self.page.locator(".notice").inner_text())

    def shown(self) -> str:
        """Wait until it is painted; return a digest of what the pad shows."""
        self.page.evaluate(PAINTED)
        pixels = self.page.locator("canvas").evaluate("canvas => canvas.toDataURL()")
        return hashlib.sha256(pixels.encode()).hexdigest()[:12]

    def until(self, true: Callable[[], bool], seconds: float = 240) -> None:
        """Wait for what the browser does in its own time, such as telling the page of another colour scheme."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not within {seconds} s"

    def check(self) -> None:
        """Check that nothing was fetched and nothing complained."""
        complaints, self.complaints[:] = list(self.complaints), []
        assert complaints == []

    def close(self) -> None:
        """Check, and close."""
        self.check()
        self.context.close()
