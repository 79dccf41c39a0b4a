"""A result opened large: what is known of it, leafing, why it was found, and where the focus goes afterwards."""

from pathlib import Path
from typing import Any

import pytest

from serve.errors import ProblemError
from tests.serve.browser.show import HOSTILE, ZIGZAG, Show, found
from tests.serve.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = pytest.mark.slow
FOCUSED = "id => document.activeElement.closest('.tile')?.dataset.id === id"


def opened(visit_show: Any, **context: Any) -> tuple[Visitor, list[str], Any]:
    """Draw and open the first result: the visitor, the ids found, the dialog."""
    visitor: Visitor = visit_show(**context)
    visitor.draw(ZIGZAG)
    ids = found(visitor)
    visitor.page.locator(".tile button").first.click()
    dialog = visitor.page.get_by_role("dialog")
    dialog.wait_for()
    return visitor, ids, dialog


def facts(dialog: Any) -> dict[str, str]:
    return dict(zip(dialog.locator("dt").all_inner_texts(), dialog.locator("dd").all_inner_texts(), strict=True))


def test_what_is_known_of_a_result(visit_show: Any, screenshots: Path) -> None:
    visitor, ids, dialog = opened(visit_show, **DESKTOP)
    page = visitor.page
    links = 0
    for place, identifier in enumerate(ids[:20]):
        known = facts(dialog)
        number = int(identifier)
        assert known["Score"] == f"{0.95 - place / 100:.3f}"
        assert known["Confidence"] == f"{95 - place} %"
        assert known["year"] == f"{1960 + number}"
        assert known["by"] == HOSTILE
        assert "place" not in known  # null
        assert known.get("Category") == (HOSTILE if number % 5 == 1 else None if number % 3 == 0 else f"shape {number}")
        link = dialog.locator("dd a")
        assert link.count() == (number % 4 == 0)  # what a browser cannot open is no link
        if link.count():
            links += 1
            assert link.get_attribute("href") == f"https://example.org/{number}.jpg"
            assert "noopener" in link.get_attribute("rel")
        else:
            assert known["Source"] == f"file:///pictures/<b>shape_{number}.png"
        assert dialog.locator("img.picture").get_attribute("src") == f"/v1/images/{identifier}"
        page.keyboard.press("ArrowRight")
    assert links
    page.wait_for_function("document.querySelector('img.picture').naturalWidth > 0")
    page.screenshot(path=screenshots / "dialog.png")
    visitor.leave()


def test_leafing_ends_at_the_ends_and_the_focus_returns(visit_show: Any) -> None:
    visitor, ids, dialog = opened(visit_show, **DESKTOP)
    page = visitor.page
    before, after = dialog.get_by_role("button", name="Previous"), dialog.get_by_role("button", name="Next")
    assert before.is_disabled()
    after.click()
    after.click()
    before.click()
    page.keyboard.press("Escape")
    page.wait_for_function(FOCUSED, arg=ids[1])
    assert not dialog.is_visible()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert after.is_disabled()
    dialog.get_by_role("button", name="Close").click()
    page.wait_for_function(FOCUSED, arg=ids[-1])
    page.locator(".tile button").first.click()
    page.mouse.click(10, 10)  # beside it
    assert not dialog.is_visible()
    visitor.leave()


@pytest.mark.parametrize("context", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_why_this(show: Show, visit_show: Any, screenshots: Path, context: dict[str, Any]) -> None:
    visitor, _, dialog = opened(visit_show, **context)
    page, why = visitor.page, dialog.get_by_role("button", name="Why this?")
    why.click()
    dialog.locator(".reason canvas").first.wait_for()
    assert dialog.locator(".reason canvas").count() == 2  # one heat map on the sketch, one on the picture
    assert dialog.get_by_role("img", name="the match is strongest at the top left").count() == 2
    dialog.locator(".reason").scroll_into_view_if_needed()
    page.screenshot(path=screenshots / f"why-{page.viewport_size['width']}.png")
    why.click()  # away again
    assert dialog.locator(".reason canvas").count() == 0
    why.click()
    dialog.locator(".reason canvas").first.wait_for()
    page.keyboard.press("ArrowRight")  # another picture has not been asked about
    assert dialog.locator(".reason canvas").count() == 0
    assert why.get_attribute("aria-expanded") == "false"
    assert visitor.complaints == []
    show.trouble = ProblemError(404, "The gallery has no <b>picture</b> of this id.")
    why.click()
    dialog.get_by_text("The gallery has no <b>picture</b> of this id.").wait_for()
    visitor.context.close()
