"""How the pad looks: pen width, examples, sharp lines, narrow and dark screens, high contrast."""

from pathlib import Path
from typing import Any

import pytest

from serve.examples import examples
from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.hand import Line
from tests.serve.browser.visitor import DESKTOP, PHONE

pytestmark = pytest.mark.slow
LINE: Line = [(0.2, 0.5), (0.8, 0.5)]
INK_ROWS = """canvas => {  // how many rows of pixels the line covers in the middle
  const copy = Object.assign(document.createElement('canvas'), { width: 1, height: canvas.height }).getContext('2d');
  copy.drawImage(canvas, -Math.floor(canvas.width / 2), 0);
  const { data } = copy.getImageData(0, 0, 1, canvas.height);
  return data.filter((value, i) => i % 4 === 3 && value > 127).length * 1000 / canvas.height;
}"""


def test_the_pen_width_is_for_the_eye_only(pad: BarePad) -> None:
    slider = pad.page.get_by_role("slider", name="Pen width")
    assert "the search gives all lines the same width" in str(pad.page.locator(".width").get_attribute("title"))
    values, rows = [], []
    for width in ("4", "40"):
        slider.fill(width)
        pad.draw(LINE)
        values.append(pad.value())
        rows.append(pad.page.locator("canvas").evaluate(INK_ROWS))
        pad.press("Clear")
    assert values[0] == values[1]
    assert rows == [pytest.approx(4, abs=2.5), pytest.approx(40, abs=2.5)]
    slider.fill("4")
    pad.press("Undo")  # a line keeps the width that it was drawn with
    pad.shown()
    assert pad.page.locator("canvas").evaluate(INK_ROWS) == rows[1]


def test_examples(pad: BarePad, screenshots: Path, request: pytest.FixtureRequest) -> None:
    pad.draw(LINE)
    for example in examples():
        pad.press(f"Start from the example: {example.name}")
        assert pad.value() == {"strokes": example.strokes, "picture": None}
    pad.page.screenshot(path=screenshots / f"pad-{request.node.callspec.id}.png")
    pad.draw(LINE)
    assert len(pad.value()["strokes"]) == len(examples()[-1].strokes) + 1  # one goes on from there
    for _ in range(len(examples()) + 1):
        pad.press("Undo")
    assert len(pad.value()["strokes"]) == 1


@pytest.mark.parametrize("scale", [1, 2])
def test_lines_are_sharp(browser: Any, scale: int) -> None:
    pad = BarePad(browser, viewport={"width": 701, "height": 900}, device_scale_factor=scale)
    pad.draw(LINE)
    side, box = pad.page.locator("canvas").evaluate("c => [c.width, c.getBoundingClientRect().width]")
    assert side == pytest.approx(box * scale, abs=1)
    pad.page.set_viewport_size({"width": 333, "height": 900})
    pad.shown()
    side, box = pad.page.locator("canvas").evaluate("c => [c.width, c.getBoundingClientRect().width]")
    assert side == pytest.approx(box * scale, abs=1)
    assert pad.page.locator("canvas").evaluate(INK_ROWS) == pytest.approx(14, abs=3)  # painted again at the new size
    pad.close()


def test_a_frame_shows_where_the_keys_go(pad: BarePad) -> None:
    frame = "canvas => getComputedStyle(canvas).outlineWidth"
    pad.draw(LINE)
    assert pad.page.locator("canvas").evaluate(frame) == "1px"  # not around the pad of somebody who only draws
    pad.page.keyboard.press("Tab")
    pad.page.keyboard.press("Shift+Tab")
    assert pad.page.locator("canvas").evaluate(frame) == "3px"


def test_a_finger_presses_a_button(browser: Any) -> None:
    pad = BarePad(browser, **PHONE)
    pad.button("Start from the example: cup").tap()
    pad.page.locator(".sheet.drawn").wait_for()
    pad.button("Clear").tap()
    pad.page.locator(".sheet:not(.drawn)").wait_for()
    pad.close()


@pytest.mark.parametrize("width", [320, 844])
def test_it_fits_a_phone(browser: Any, width: int) -> None:
    pad = BarePad(browser, **{**PHONE, "viewport": {"width": width, "height": 844 if width < 800 else 390}})
    assert pad.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    tools = [button.bounding_box() for button in pad.page.locator(".tools button").all()]
    assert all(min(box["width"], box["height"]) >= 44 for box in tools)  # a finger finds them
    pictures = [button.bounding_box() for button in pad.page.locator(".examples button").all()]
    assert all(box["height"] >= 44 and box["width"] >= 32 for box in pictures)
    pad.close()


CONTRAST = """name => {  // of an element's text and its ground, as WCAG counts
  const light = colour => {
    const context = document.createElement('canvas').getContext('2d');
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const { color, backgroundColor } = getComputedStyle(document.querySelector(name));
  const [one, other] = [light(color), light(backgroundColor)];
  return Math.max(one, other) / Math.min(one, other);
}"""
SCREENS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "contrast": {"contrast": "more"},
    "forced-colours": {"forced_colors": "active"},
}


@pytest.mark.parametrize("screen", SCREENS)
def test_it_can_be_read_on_every_screen(browser: Any, screen: str, screenshots: Path) -> None:
    pad = BarePad(browser, **DESKTOP, **SCREENS[screen])
    for name in ("canvas", "button.pen", "button.eraser"):
        assert pad.page.evaluate(CONTRAST, name) > 4.5, name
    pad.press("Start from the example: cat")
    pad.button("Eraser").focus()
    pad.page.screenshot(path=screenshots / f"pad-screen-{screen}.png")
    pad.close()


def test_the_ink_changes_with_the_page(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)
    pad.draw(LINE)
    black = pad.shown()
    pad.page.evaluate("document.body.classList.add('dark')")
    pad.page.emulate_media(color_scheme="dark")
    pad.until(lambda: pad.shown() != black)
    pad.page.evaluate("document.body.classList.remove('dark')")
    pad.page.emulate_media(color_scheme="light")
    pad.until(lambda: pad.shown() == black)
    pad.close()
