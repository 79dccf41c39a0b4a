"""Signing in with a key: the page, what the browser keeps of it, and what the page's policy does not let run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

import pytest

from serve.auth import Rate
from serve.keys import main
from serve.limiter import Limiter
from tests.serve.browser.hand import HEAD, draw_with_mouse
from tests.serve.browser.show import Show, on_stage
from tests.serve.browser.visitor import DESKTOP, PATIENCE_MS, PHONE
from tests.serve.replicas import access_by_keys

pytestmark = pytest.mark.slow
Capture = pytest.CaptureFixture[str]


class Locked:
    """A page that needs a key, and somebody in front of it."""

    def __init__(self, folder: Path, capsys: Capture, browser: Any, context: dict[str, Any]) -> None:
        self.uri = str(folder / "keys.json")
        self.show = Show()
        capsys.readouterr()
        assert main(["create", "ana", "--keys", self.uri]) == 0
        self.key = capsys.readouterr().out.strip()
        self.seconds = 1000.0
        clock = lambda: self.seconds  # noqa: E731
        self.access = access_by_keys(self.uri, Limiter(clock), name="a", rate=Rate(100.0, 100.0), clock=clock)
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning") and "401" not in message.text:  # a refusal is in the console, always
            self.complaints.append(message.text)

    def sign_in(self, key: str) -> None:
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def wait_for_pad(self) -> None:
        self.page.locator("#pad canvas").wait_for()
        self.page.get_by_text("Draw something").wait_for()


@pytest.fixture(params=["desktop", "phone"])
def locked(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: Capture, browser: Any
) -> Iterator[tuple[Locked, str]]:
    """With its address."""
    visit = Locked(tmp_path, capsys, browser, DESKTOP if request.param == "desktop" else PHONE)
    with on_stage(visit.show, visit.access) as url:
        yield visit, url
        visit.context.close()


def test_a_key_opens_the_page(locked: tuple[Locked, str], screenshots: Path, request: pytest.FixtureRequest) -> None:
    visit, url = locked
    page, kind = visit.page, request.node.callspec.id
    page.goto(url)
    assert urlparse(page.url).path == "/signin"
    assert page.evaluate("document.activeElement.id") == "key"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / f"signin-{kind}.png")

    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Enter your key first.").wait_for()
    visit.sign_in(visit.key[:-1] + "!")
    page.get_by_text("This key is not known here, or it has been revoked.").wait_for()
    page.screenshot(path=screenshots / f"signin-{kind}-wrong.png")

    visit.sign_in(visit.key)
    visit.wait_for_pad()
    assert urlparse(page.url).path == "/"
    assert page.evaluate("document.cookie") == ""
    (cookie,) = visit.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert visit.key not in cookie["value"]
    draw_with_mouse(page, HEAD)
    page.locator(".tile img").first.wait_for()
    page.wait_for_function("document.querySelector('.tile img').naturalWidth > 0")  # fetched by the cookie
    page.screenshot(path=screenshots / f"signed-in-{kind}.png")
    assert visit.show.asked
    assert visit.complaints == []

    page.goto(f"{url}/signin")  # who is signed in already goes on at once
    page.wait_for_url(f"{url}/")
    page.locator("#pad canvas").wait_for()
    page.goto("about:blank")  # or the open page, which is refused too, goes to sign in while this test does
    assert main(["revoke", visit.key.split("_")[1], "--keys", visit.uri]) == 0
    assert visit.access.keys is not None
    assert visit.access.keys.ring.refresh()
    page.goto(url)
    assert urlparse(page.url).path == "/signin"
    assert visit.complaints == []


def test_the_keyboard_is_enough(locked: tuple[Locked, str]) -> None:
    visit, url = locked
    page, keyboard = visit.page, visit.page.keyboard
    page.goto(url)
    page.wait_for_function("document.activeElement.id === 'key'")
    keyboard.type(visit.key)
    assert page.locator("#key").get_attribute("type") == "password"
    keyboard.press("Tab")
    keyboard.press("Space")
    assert page.locator("#key").get_attribute("type") == "text"
    keyboard.press("Enter")
    visit.wait_for_pad()


WANTED = {
    "/?__theme=dark": "/?__theme=dark",
    "//evil.example/": "/",
    "https://evil.example/": "/",
    "/.//evil.example/": "//evil.example/",  # a path of this server
    "/\\evil.example/": "/",
    "javascript:window.pwned=1": "/",
    "/signin": "/",
    "http://[": "/",
}


def test_signing_in_leads_nowhere_else(browser: Any, tmp_path: Path, capsys: Capture) -> None:
    visit = Locked(tmp_path, capsys, browser, DESKTOP)
    page, asked = visit.page, []
    with on_stage(visit.show, visit.access) as url:
        page.goto(f"{url}/signin")
        visit.sign_in(visit.key)
        page.wait_for_url(f"{url}/")
        page.on("request", lambda request: asked.append(urlparse(request.url).netloc))
        page.route(
            lambda address: "/signin" not in address and "/v1/" not in address, lambda route: route.fulfill(body="here")
        )
        for wanted, reached in WANTED.items():
            page.goto(f"{url}/signin?{urlencode({'next': wanted})}")
            page.wait_for_url(url + reached)
        assert set(asked) == {urlparse(url).netloc}
        visit.context.close()


def test_what_gets_into_the_page_does_not_run(locked: tuple[Locked, str]) -> None:
    """Were some text of a stranger to become HTML after all, the policy is what still stands in its way."""
    visit, url = locked
    page = visit.page
    page.goto(url)
    visit.sign_in(visit.key)
    visit.wait_for_pad()
    page.evaluate(
        """() => {
            window.stopped = [];
            const note = event => window.stopped.push(event.effectiveDirective);
            document.addEventListener('securitypolicyviolation', note);
            document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.pwned = 1">');
            const script = document.createElement('script');
            script.textContent = 'window.pwned = 2';
            document.body.append(script);
            fetch('http://127.0.0.1:9/').catch(() => {});
            document.body.append(Object.assign(document.createElement('iframe'), { src: 'http://127.0.0.1:9/' }));
        }"""
    )
    page.wait_for_function("window.stopped.length >= 4")
    assert set(page.evaluate("window.stopped")) == {"script-src-attr", "script-src-elem", "connect-src", "frame-src"}
    assert page.evaluate("window.pwned") is None
