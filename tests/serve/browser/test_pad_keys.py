"""The pad by the keyboard alone: every tool, and even the drawing."""

from typing import Any

import numpy as np
import pytest

from serve.examples import examples
from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.hand import Line
from tests.serve.browser.visitor import DESKTOP

pytestmark = pytest.mark.slow
LINE: Line = [(0.2, 0.2), (0.8, 0.2)]
FOCUSED = "() => document.activeElement.getAttribute('aria-label') || document.activeElement.innerText.trim()"


CLICKS = """() => {
  window.choosers = [];
  HTMLInputElement.prototype.click = function () { window.choosers.push(navigator.userActivation.isActive); };
}"""


def watch_choosers(pad: BarePad) -> None:
    """Let file choosers be noted from now on, and not opened."""
    pad.page.evaluate(CLICKS)


def choosers(pad: BarePad) -> list[bool]:
    """Return the file choosers asked for so far: whether the browser would have opened each."""
    return list(pad.page.evaluate("window.choosers"))


def test_tab_reaches_everything(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)
    pad.draw(LINE, LINE)
    pad.button("Undo").click()
    pad.page.locator("canvas").focus()
    names = [pad.page.evaluate(FOCUSED)]
    for _ in range(7 + len(examples())):
        pad.page.keyboard.press("Tab")
        names.append(pad.page.evaluate(FOCUSED))
    tools = ["Pen", "Eraser", "Pen width", "Undo", "Redo", "Clear", "Upload"]
    assert names[0].startswith("Drawing pad.")
    assert names[1:8] == tools
    assert names[8:] == [f"Start from the example: {example.name}" for example in examples()]
    pad.close()


def test_shortcuts_of_history_work_everywhere_but_in_a_field(pad: BarePad) -> None:
    pad.draw(LINE)
    one = pad.value()
    pad.page.evaluate("document.activeElement.blur()")
    for keys, value in (("z", []), ("Shift+Z", one["strokes"]), ("z", []), ("y", one["strokes"])):
        pad.page.keyboard.press(f"Control+{keys}")
        assert pad.value()["strokes"] == value
    pad.page.evaluate("document.body.append(document.createElement('textarea'))")
    pad.page.locator("textarea").focus()
    pad.page.keyboard.press("Control+z")
    assert pad.value() == one


def test_letters_choose_tools_while_the_pad_has_the_focus(pad: BarePad) -> None:
    watch_choosers(pad)
    pad.draw(LINE)  # drawing gives it the focus
    pen, eraser = pad.button("Pen"), pad.button("Eraser")
    pad.page.keyboard.press("e")
    assert eraser.get_attribute("aria-pressed") == "true"
    width = pad.page.get_by_role("slider", name="Eraser width")
    before = int(width.input_value())
    pad.page.keyboard.press("]")
    assert int(width.input_value()) > before
    pad.page.keyboard.press("[")
    assert int(width.input_value()) == before
    pad.page.keyboard.press("p")
    assert (pen.get_attribute("aria-pressed"), eraser.get_attribute("aria-pressed")) == ("true", "false")
    pad.page.keyboard.press("u")
    assert choosers(pad) == [True]
    pad.page.keyboard.press("Delete")
    assert pad.value()["strokes"] == []
    pad.page.evaluate("document.activeElement.blur()")
    pad.page.keyboard.press("e")  # elsewhere a letter is a letter
    assert pen.get_attribute("aria-pressed") == "true"


def test_buttons_and_width_by_keys(pad: BarePad) -> None:
    watch_choosers(pad)
    pad.draw(LINE)
    pad.button("Clear").focus()
    pad.page.keyboard.press("Enter")
    assert pad.value()["strokes"] == []
    assert pad.page.evaluate(FOCUSED).startswith("Drawing pad.")  # the button went out of use: the keys go on here
    slider = pad.page.get_by_role("slider", name="Pen width")
    slider.focus()
    before = int(slider.input_value())
    pad.page.keyboard.press("ArrowRight")
    assert int(slider.input_value()) == before + 2
    pad.button("Upload").focus()
    pad.page.keyboard.press("Enter")
    assert choosers(pad) == [True]
    pad.button("Start from the example: cup").focus()
    pad.page.keyboard.press("Space")
    assert pad.value()["strokes"] == next(example.strokes for example in examples() if example.name == "cup")


def test_drawing_and_erasing_by_keys(pad: BarePad) -> None:
    page = pad.page
    page.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".ring").is_visible()
    assert pad.value()["strokes"] == []  # the pen is up
    page.keyboard.press("Space")
    for key in [*["ArrowRight"] * 10, *["ArrowDown"] * 5, "Shift+ArrowDown"]:
        page.keyboard.press(key)
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    (xs, ys), *others = pad.value()["strokes"]
    assert not others
    assert (xs[0], ys[0], xs[-1], ys[-1]) == (480, 500, 680, 604)
    page.keyboard.press("e")
    for key in [*["ArrowLeft"] * 5, *["ArrowUp"] * 6, "Space", *["ArrowDown"] * 4, "Escape"]:
        page.keyboard.press(key)
    left, right = pad.value()["strokes"]
    assert np.max(left[0]) < 580 < np.min(right[0])
    page.keyboard.press("Control+z")
    assert pad.value()["strokes"] == [[xs, ys]]
