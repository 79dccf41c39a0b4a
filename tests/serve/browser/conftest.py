"""A real browser for the page's tests.

``SKETCHRAY_PAGE=URL`` drives a page that runs already; ``SKETCHRAY_SCREENSHOTS=FOLDER`` keeps the screenshots.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.show import Show, on_stage
from tests.serve.browser.visitor import DESKTOP, PHONE, Visitor

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def no_browser(reason: str) -> None:
    """Skip on a person's machine; in CI a browser that is missing is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs a browser: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")  # while it lives its event loop runs in this thread, where other tests run their own
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
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
    """Where screenshots go."""
    folder = Path(os.environ.get("SKETCHRAY_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """Address of the page, over the session's one server."""
    return os.environ.get("SKETCHRAY_PAGE") or str(request.getfixturevalue("served").url)


@pytest.fixture
def visit(browser: Any, url: str) -> Callable[..., Visitor]:
    """Give ``visit(**context)``: somebody opens the page."""
    return partial(Visitor, browser, url)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Show, str]]:
    """A made-up gallery behind the real page, and the page's address."""
    show = Show()
    with on_stage(show) as address:
        yield show, address


@pytest.fixture
def show(stage: tuple[Show, str]) -> Show:
    """The made-up gallery, as new."""
    vars(stage[0]).update(vars(Show()))
    return stage[0]


@pytest.fixture
def visit_show(browser: Any, stage: tuple[Show, str], show: Show) -> Callable[..., Visitor]:
    """Give ``visit_show(**context)``: somebody opens the page over the made-up gallery."""
    return partial(Visitor, browser, stage[1])


@pytest.fixture(scope="module")
def bare_pads(browser: Any) -> dict[str, BarePad]:
    """The drawing pad by itself, without a server: on a desktop, and on a phone."""
    return {"desktop": BarePad(browser, **DESKTOP), "phone": BarePad(browser, **PHONE)}


@pytest.fixture(params=["desktop", "phone"])
def pad(request: pytest.FixtureRequest, bare_pads: dict[str, BarePad]) -> Iterator[BarePad]:
    """The pad as new: with a mouse, and with a finger on a phone's width."""
    bare: BarePad = bare_pads[request.param]
    bare.open(fresh=True)
    yield bare
    bare.check()
