"""The bar of options: it offers what the gallery can do, asks for what was chosen, and a link opens the same again."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from tests.serve.browser.show import LINES, ZIGZAG, Show, found
from tests.serve.browser.visitor import DESKTOP, Visitor

pytestmark = pytest.mark.slow


def query_of(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def test_options_are_asked_for_and_kept_in_the_address(show: Show, visit_show: Any, screenshots: Path) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    visitor.draw(ZIGZAG)
    nearest = found(visitor)

    page.get_by_label("Number of pictures").select_option("12")
    assert found(visitor) == nearest[:12]
    page.get_by_text("Mixture").click()
    mixture = found(visitor)
    assert mixture != nearest[:12]
    assert show.asked[-1].ranking == "mixture"
    slider = page.get_by_role("slider", name="Confidence")
    slider.fill("0.9")
    likely = found(visitor)
    assert likely == mixture[:6]  # 95 % to 90 %
    assert show.asked[-1].min_confidence == 0.9
    assert slider.get_attribute("aria-valuetext") == "at least 90 %"
    page.screenshot(path=screenshots / "options.png")
    assert query_of(page) == {"limit": ["12"], "ranking": ["mixture"], "min_confidence": ["0.9"]}

    page.reload()  # the link opens the same search, and the pad has kept the drawing
    page.locator(".tile").first.wait_for()
    assert found(visitor) == likely
    visitor.leave()


def test_a_confidence_that_nothing_reaches_is_said(show: Show, visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    visitor.draw(ZIGZAG)
    found(visitor)
    slider = visitor.page.get_by_role("slider", name="Confidence")
    slider.focus()
    visitor.page.keyboard.press("End")
    visitor.page.wait_for_function("document.querySelectorAll('.tile').length === 1")
    show.best = 0.5
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.get_by_text("No picture is 90 % sure. Lower the confidence to see more.").wait_for()
    visitor.leave()


def test_only_what_the_gallery_can_do_is_offered(show: Show, visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    visitor.draw(ZIGZAG)
    many = found(visitor)
    page.get_by_text("Clusters").click()
    found(visitor)

    page.get_by_label("Gallery").select_option("plain")
    page.get_by_text("60 pictures · gallery “plain”").wait_for()
    plain = found(visitor)
    assert plain != many
    assert (show.asked[-1].gallery, show.asked[-1].ranking) == ("plain", "nearest")
    assert not page.get_by_role("slider", name="Confidence").is_visible()
    assert page.get_by_role("radio").count() == 0  # by one ranking there is nothing to choose
    assert page.locator(".score").first.inner_text() == "0.95"  # not calibrated: a score
    assert query_of(page) == {"gallery": ["plain"]}
    page.get_by_label("Gallery").select_option("many")
    assert found(visitor) == many
    assert query_of(page) == {}

    about = page.locator("#foot .about")
    assert about.get_attribute("title") == "version v1 · show@1"
    show.version = "v2"  # is noticed with the next answer
    visitor.draw(LINES[0])
    found(visitor)
    assert about.get_attribute("title") == "version v2 · show@1"
    visitor.leave()


def test_a_link_to_pictures_like_one_with_what_the_gallery_cannot_do(show: Show, visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    page.goto(f"{visitor.url}/?gallery=plain&like=7&ranking=cluster&min_confidence=0.5&limit=48&limit=oops")
    assert len(found(visitor)) == 48
    asked = show.asked[-1]
    assert (asked.like, asked.gallery, asked.ranking, asked.min_confidence) == ("7", "plain", "nearest", None)
    assert query_of(page) == {"gallery": ["plain"], "like": ["7"], "limit": ["48"]}
    assert page.locator(".like img").get_attribute("src") == "/v1/images/7?gallery=plain"
    page.get_by_role("button", name="Back to the drawing").click()
    page.get_by_text("Draw something").wait_for()  # nothing is drawn
    page.goto(f"{visitor.url}/?gallery=none&limit=7")
    page.get_by_text("Draw something").wait_for()
    page.get_by_text("gallery “many”").wait_for()
    assert query_of(page) == {}
    visitor.leave()


def test_one_plain_gallery_needs_no_choosing(visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page

    def only_plain(route: Any) -> None:
        galleries = [{**one, "default": True} for one in route.fetch().json()["galleries"] if not one["calibrated"]]
        route.fulfill(json={"galleries": galleries})

    page.route("**/v1/galleries", only_plain)
    page.reload()
    page.get_by_text("gallery “plain”").wait_for()
    for label in ("Gallery", "Ranking", "Confidence"):
        assert not page.get_by_label(label).first.is_visible()
    assert page.get_by_label("Number of pictures").is_visible()
    visitor.leave()
