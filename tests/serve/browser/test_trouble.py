"""When the search cannot answer: a sentence that a person understands, the drawing stays, and the search goes on."""

from pathlib import Path
from typing import Any

import pytest

from serve.errors import ProblemError
from tests.serve.browser.show import LINES, ZIGZAG, Show, found
from tests.serve.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = pytest.mark.slow


def answer_with(page: Any, path: str = "**/v1/search", **answer: Any) -> None:
    """Answer the page's requests for a path so, until ``page.unroute(path)``."""
    page.route(path, lambda route: route.fulfill(**answer))


def test_every_trouble_has_a_sentence(show: Show, visit_show: Any, screenshots: Path) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page, again = visitor.page, visitor.page.get_by_role("button", name="Try again")
    drawing = visitor.drawing()
    page.route("**/v1/search", lambda route: route.abort())
    visitor.draw(ZIGZAG)
    page.get_by_text("The search cannot be reached just now. Your drawing is safe").wait_for()
    assert visitor.drawing() != drawing
    page.screenshot(path=screenshots / "trouble.png")
    page.unroute("**/v1/search")
    again.click()
    page.locator(".tile").first.wait_for()
    assert not again.is_visible()

    show.trouble = ProblemError(422, "This is a <b>reason</b>.")
    visitor.draw(LINES[0])
    page.get_by_text("This is a <b>reason</b>.").wait_for()
    assert visitor.ids() == []
    asked = len(show.asked)
    page.wait_for_timeout(300)
    assert len(show.asked) == asked  # asking the same again would not help

    show.trouble = ProblemError(429, "Too many searches; try again in 30 seconds.", retry_after=30)
    visitor.draw(LINES[1])
    page.get_by_text("Too many searches; try again in 30 seconds.").wait_for()  # at once, not after 30 seconds
    show.trouble = None
    visitor.draw(LINES[2])
    assert len(found(visitor)) == 24

    answer_with(page, status=502, body="<html>Bad gateway</html>", content_type="text/html")
    visitor.draw(LINES[3])
    page.get_by_text("The search cannot be reached just now.").wait_for()
    page.unroute("**/v1/search")
    answer_with(page, status=500, json={"detail": "Something went wrong on our side.", "request_id": "abc123"})
    again.click()
    page.get_by_text("Something went wrong on our side. (Request abc123.)").wait_for()
    visitor.context.close()


def test_a_short_trouble_passes_by_itself(show: Show, visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    show.trouble = ProblemError(503, "A part of the search is starting again.", retry_after=1)
    visitor.draw(ZIGZAG)
    visitor.page.wait_for_function("document.querySelector('#results [aria-busy=true]')")
    visitor.page.wait_for_timeout(300)
    show.trouble = None
    assert len(found(visitor)) == 24
    assert not visitor.page.get_by_text("starting again").is_visible()
    visitor.context.close()


def test_offline_and_back(visit_show: Any) -> None:
    visitor: Visitor = visit_show(**PHONE)
    visitor.context.set_offline(True)
    visitor.draw(ZIGZAG)
    visitor.page.get_by_text("This device is offline. Your drawing is safe").wait_for()
    visitor.context.set_offline(False)
    assert len(found(visitor)) == 24
    visitor.context.close()


def test_signed_out(visit_show: Any) -> None:
    """The way to the sign-in page, which leads back to the same options and the same drawing."""
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    page.get_by_label("Number of pictures").select_option("12")
    found(visitor)
    answer_with(page, "**/v1/search", status=401, json={"detail": "This needs an API key."})
    answer_with(page, "**/signin*", body="<h1>Sign in</h1>", content_type="text/html")
    visitor.draw(ZIGZAG)
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.url == f"{visitor.url}/signin?next=%2F%3Flimit%3D12"
    page.unroute("**/v1/search")
    page.goto(f"{visitor.url}/?limit=12")
    page.locator(".tile").first.wait_for()
    assert len(found(visitor)) == 12
    visitor.context.close()


def test_who_is_signed_in_can_leave(visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    left: list[str] = []

    def session(route: Any) -> None:
        if route.request.method == "DELETE":
            left.append(route.request.url)
        route.fulfill(json={"signed_in": True, "required": True, "name": "<b>ann</b>"})

    page.route("**/v1/session", session)
    answer_with(page, "**/signin*", body="<h1>Sign in</h1>", content_type="text/html")
    page.reload()
    page.get_by_text("Signed in as <b>ann</b>").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert left == [f"{visitor.url}/v1/session"]
    visitor.context.close()
