"""What comes of a drawing: tiles that stay while one draws, more like one of them, and all of it by keyboard."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from PIL import Image, ImageDraw

from sketchray.data.raster import Bitmap, Strokes
from tests.serve.browser.show import LINES, ZIGZAG, Show, found
from tests.serve.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = pytest.mark.slow


def query_of(page: Any) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def focused(page: Any) -> str:
    """Return the tile that has the focus, by its picture's id, or else the words on the element that has it."""
    found = page.evaluate("[document.activeElement.closest('.tile')?.dataset.id, document.activeElement.innerText]")
    return str(found[0] or found[1])


def test_pictures_with_their_names(show: Show, visit_show: Any, screenshots: Path) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    assert visitor.ids() == []
    assert show.asked == []
    page.get_by_role("button", name="example: cat").click()
    ids = found(visitor)
    assert len(set(ids)) == 24
    assert isinstance(show.asked[-1].sketches[0], Strokes)
    assert page.locator(".score").first.inner_text() == "95 %"  # this gallery knows how sure it is
    names = page.locator(".tile .name").all_inner_texts()
    assert all(names)
    assert any(name.startswith("<img src=x") for name in names)  # as text
    assert page.get_by_role("status").filter(has_text="24 pictures").count() == 1
    assert page.locator("#foot").get_by_text("5,000 pictures · gallery “many”").is_visible()
    page.wait_for_function("[...document.querySelectorAll('.tile img')].slice(0, 12).every(i => i.naturalWidth > 0)")
    page.screenshot(path=screenshots / "results.png")
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Draw something").wait_for()
    assert visitor.ids() == []
    visitor.leave()


def test_nothing_flickers(visit_show: Any) -> None:
    """A picture that every answer finds keeps its node, is not fetched again, and the grid is never empty in between.

    On a slow machine a half drawn line is answered too.
    """
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    visitor.draw(ZIGZAG)
    before = found(visitor)
    page.evaluate("""() => {
      window.fewest = 24;
      const list = document.querySelector('.tiles');
      const ids = () => [...list.children].map(tile => tile.dataset.id);
      window.always = ids();
      window.back = [];
      const gone = new Set();
      let shown = ids();
      for (const tile of list.children) tile.seen = true;
      new MutationObserver(() => {
        window.fewest = Math.min(window.fewest, list.children.length);
        const now = new Set(ids());
        window.always = window.always.filter(id => now.has(id));
        for (const id of shown) if (!now.has(id)) gone.add(id);
        for (const tile of list.children)
          if (gone.has(tile.dataset.id)) window.back.push(tile.querySelector('img').src);
        shown = [...now];
      }).observe(list, { childList: true });
    }""")
    visitor.draw(LINES[0])
    after = found(visitor)
    assert after != before
    stayed = dict(
        page.locator(".tile").evaluate_all(
            "tiles => tiles.filter(t => t.seen).map(t => [t.dataset.id, t.querySelector('img').src])"
        )
    )
    assert sorted(stayed) == sorted(page.evaluate("window.always"))
    assert stayed.keys() <= set(before) & set(after)
    assert stayed
    assert page.evaluate("window.fewest") == 24
    assert [fetched.count(url) for url in stayed.values()] == [1] * len(stayed)
    back = page.evaluate("window.back")  # those that an answer in between had taken away
    pictures = [url for url in fetched if "/v1/images/" in url and url not in back]
    assert len(pictures) == len(set(pictures))
    visitor.leave()


def test_an_older_answer_never_replaces_a_newer_one(visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    held: list[Any] = []
    visitor.page.route("**/v1/search", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the function
    visitor.draw(ZIGZAG)
    for _ in range(300):
        visitor.page.wait_for_timeout(100)
        if held:
            break
    visitor.page.wait_for_timeout(500)
    (first,) = held  # one search at a time, however much was drawn meanwhile
    visitor.page.get_by_role("button", name="Clear").click()
    visitor.page.wait_for_timeout(300)
    first.continue_()
    visitor.page.wait_for_timeout(500)
    assert visitor.ids() == []
    visitor.leave()


def test_a_picture_of_a_sketch_is_searched_as_a_picture(show: Show, visit_show: Any, tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).ellipse([60, 40, 240, 160], outline="black", width=8)
    image.save(tmp_path / "sketch.png")
    visitor: Visitor = visit_show(**DESKTOP)
    visitor.page.locator("#pad input[type=file]").set_input_files(tmp_path / "sketch.png")
    assert len(found(visitor)) == 24
    assert isinstance(show.asked[-1].sketches[0], Bitmap)
    assert show.asked[-1].limit == 24
    visitor.page.locator(".tile button").first.click()
    visitor.page.get_by_role("button", name="Why this?").click()  # is asked with the picture, too
    visitor.page.locator(".reason canvas").first.wait_for()
    visitor.leave()


def test_more_like_this_and_back(show: Show, visit_show: Any, screenshots: Path) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    visitor.draw(ZIGZAG)
    drawn = found(visitor)
    page.locator(".tile button").nth(2).click()
    page.get_by_role("button", name="More like this").click()
    page.get_by_text("Pictures like this one").wait_for()
    like = found(visitor)
    asked = show.asked[-1]
    assert (asked.like, asked.sketches) == (drawn[2], ())
    assert drawn[2] not in like
    assert query_of(page) == {"like": [drawn[2]]}
    assert focused(page) == "Back to the drawing"
    page.screenshot(path=screenshots / "more-like-this.png")

    page.locator(".tile button").first.click()
    assert page.get_by_role("button", name="Why this?").count() == 0  # there is no sketch to compare with
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Back to the drawing").click()
    assert found(visitor) == drawn
    assert focused(page) == drawn[0]
    assert query_of(page) == {}
    page.go_back()  # the browser's own way back and forth does the same
    assert found(visitor) == like
    page.go_back()
    assert found(visitor) == drawn
    assert not page.get_by_text("Pictures like this one").is_visible()

    page.go_forward()
    assert found(visitor) == like
    page.reload()
    page.locator(".tile").first.wait_for()
    assert found(visitor) == like  # although the pad has brought the drawing back
    visitor.draw(LINES[0])  # who draws wants what is drawn
    assert found(visitor) not in (like, drawn)
    assert show.asked[-1].like is None
    assert query_of(page) == {}
    visitor.leave()


def test_everything_but_drawing_by_keyboard(visit_show: Any) -> None:
    visitor: Visitor = visit_show(**DESKTOP)
    page = visitor.page
    visitor.draw(ZIGZAG)
    ids = found(visitor)
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page) == ids[0]:
            break
    assert focused(page) == ids[0]
    for key, place in (("ArrowRight", 1), ("ArrowDown", 5), ("ArrowLeft", 4), ("ArrowUp", 0), ("ArrowUp", 0)):
        page.keyboard.press(key)
        assert focused(page) == ids[place]
    page.keyboard.press("End")
    assert focused(page) == ids[-1]
    page.keyboard.press("Tab")  # the grid is one stop
    assert focused(page) == "Where the pictures come from"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")

    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    page.keyboard.press("ArrowRight")  # leafs on
    page.keyboard.press("Escape")
    page.wait_for_function(f"document.activeElement.closest('.tile')?.dataset.id === '{ids[2]}'")
    assert not dialog.is_visible()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    for _ in range(10):
        if focused(page) == "More like this":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert found(visitor) != ids
    page.keyboard.press("Enter")  # the way back has the focus
    assert found(visitor) == ids
    visitor.leave()


def test_a_phone_in_the_dark(visit_show: Any, screenshots: Path) -> None:
    visitor: Visitor = visit_show(**PHONE)
    page = visitor.page
    visitor.draw(ZIGZAG)
    ids = found(visitor)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=screenshots / "results-phone.png", full_page=True)
    page.locator(".tile button").nth(1).tap()
    dialog = page.get_by_role("dialog")
    box = dialog.bounding_box()
    assert (box["x"], box["width"]) == (0, 390)
    light = page.evaluate("getComputedStyle(document.querySelector('dialog.large')).backgroundColor")
    assert max(int(part) for part in light[4:-1].split(",")) < 60
    page.screenshot(path=screenshots / "dialog-phone.png")
    dialog.get_by_role("button", name="More like this").tap()
    assert ids[1] not in found(visitor)
    page.screenshot(path=screenshots / "more-like-this-phone.png")
    visitor.leave()
