"""The page as a whole: one draws, uploads or takes an example, and pictures come."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.browser.hand import HEAD, REST, Fingers
from tests.serve.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = pytest.mark.slow
Visit = Callable[..., Visitor]


def test_drawing_with_the_mouse(visit: Visit, screenshots: Path) -> None:
    visitor = visit(**DESKTOP)
    page = visitor.page
    bare = visitor.drawing()
    assert visitor.ids() == []

    box = page.locator("#pad canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)  # at once: there is no tool to pick
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 300, steps=10)
    page.locator(".tile").first.wait_for()  # while the line still grows
    page.mouse.up()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Draw something").wait_for()

    visitor.draw(HEAD)
    after_head, head = visitor.settle(), visitor.drawing()
    for line in REST[:4]:
        visitor.draw(line)
    visitor.settle(until=lambda ids: ids not in ([], after_head))
    page.wait_for_function("[...document.querySelectorAll('.tile img')].slice(0, 12).every(i => i.naturalWidth > 0)")
    page.screenshot(path=screenshots / "page-desktop.png")

    page.mouse.wheel(0, 300)  # beside long results the pad stays in sight
    page.wait_for_timeout(300)
    assert page.locator("#pad canvas").bounding_box()["y"] >= 0
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)

    for _ in REST[:4]:
        page.get_by_role("button", name="Undo").click()
    visitor.settle(until=lambda ids: ids == after_head)
    assert visitor.drawing() == head
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Draw something").wait_for()
    assert visitor.ids() == []
    assert visitor.drawing() == bare
    page.keyboard.press("Control+z")  # Clear itself can be undone
    visitor.settle(until=lambda ids: ids == after_head)

    page.get_by_role("button", name="Start from the example: cat").click()
    visitor.settle(until=lambda ids: ids not in ([], after_head))
    visitor.leave()


def test_a_finger_on_a_phone_in_the_dark(visit: Visit, screenshots: Path) -> None:
    visitor = visit(**PHONE)
    page = visitor.page
    bare = visitor.drawing()
    finger = Fingers(page)
    for line in [HEAD, *REST[:4]]:
        finger.draw(line)
    drawn = visitor.settle()
    assert visitor.drawing() != bare
    assert page.evaluate("window.scrollY") == 0  # the finger drew, the page stayed
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / "page-phone.png")

    page.locator("#pad input[type=file]").set_input_files(screenshots / "page-phone.png")  # any picture will do
    visitor.settle(until=lambda ids: ids not in ([], drawn))
    page.screenshot(path=screenshots / "page-phone-upload.png")
    visitor.leave()


def test_the_drawing_and_its_pictures_are_there_again_after_a_reload(visit_show: Visit) -> None:
    visitor = visit_show(**DESKTOP)
    visitor.draw(HEAD)
    found, looks = visitor.settle(), visitor.drawing()
    visitor.page.reload()
    visitor.page.locator(".tile").first.wait_for()
    visitor.settle(until=lambda ids: ids == found)
    assert visitor.drawing() == looks
    visitor.context.close()
