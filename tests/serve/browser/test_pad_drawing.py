"""Drawing on the pad: what is drawn is sent, whole and in time; and going back and forth."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sketchray.data.raster import Strokes
from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.hand import Line, ring
from tests.serve.browser.visitor import DESKTOP, PHONE

pytestmark = pytest.mark.slow
ROOF: Line = [(0.2, 0.5), (0.5, 0.2), (0.8, 0.5)]
FLOOR: Line = [(0.2, 0.8), (0.8, 0.8)]


def lines_of(value: dict[str, Any]) -> list[np.ndarray]:
    """Return the strokes of a value in fractions of the pad, one (P, 2) each."""
    return [line / 1000 for line in Strokes.from_json(value["strokes"]).lines]


def test_a_line_is_sent_with_every_point(pad: BarePad) -> None:
    assert pad.values() == []
    line = ring(0.5, 0.5, 0.35)
    pad.draw(line)
    value = pad.value()
    assert value["picture"] is None
    count = len(pad.values())
    assert len(pad.values()) == count  # nothing comes after it
    (sent,) = lines_of(value)
    off = 1 / pad.page.locator("canvas").bounding_box()["width"]  # a mouse stands on whole pixels
    assert np.abs(sent[[0, -1]] - np.array(line)[[0, -1]]).max() <= off
    for point in line:
        assert np.hypot(*(sent - point).T).min() <= 2 * off
    assert pad.page.evaluate("window.scrollY") == 0  # the finger drew, the page stayed


def test_a_tap_is_a_dot(pad: BarePad) -> None:
    blank = pad.shown()
    pad.draw([(0.5, 0.5)])
    (dot,) = lines_of(pad.value())
    assert len(dot) == 1
    assert pad.shown() != blank


def test_the_line_is_sent_while_it_grows_and_then_at_rest(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)
    box = pad.page.locator("canvas").bounding_box()
    pad.page.mouse.move(box["x"] + 20, box["y"] + 20)
    pad.page.mouse.down()
    for step in range(30):
        pad.page.mouse.move(box["x"] + 20 + 10 * step, box["y"] + 40)
        pad.page.wait_for_timeout(25)
    growing = [len(value["strokes"][0][0]) for value in pad.values()]
    pad.page.mouse.up()
    times = [time for _, _, time in pad.page.evaluate("window.values")]
    assert len(growing) >= 2
    assert growing == sorted(growing)
    assert min(later - sooner for sooner, later in pairwise(times)) > 200  # a beat, not a flood
    assert len(pad.value()["strokes"][0][0]) >= growing[-1]
    pad.close()


def test_back_and_forth(pad: BarePad) -> None:
    undo, redo, clear = (pad.button(name) for name in ("Undo", "Redo", "Clear"))
    assert [button.is_disabled() for button in (undo, redo, clear)] == [True, True, True]
    looks, values = [pad.shown()], [pad.value()]
    for line in (ROOF, FLOOR):
        pad.draw(line)
        looks.append(pad.shown())
        values.append(pad.value())
    pad.press("Clear")
    assert pad.shown() == looks[0]
    assert pad.value() == values[0]
    assert clear.is_disabled()
    for name, steps in (("Undo", (2, 1, 0)), ("Redo", (1, 2, 0)), ("Undo", (2, 1))):
        for step in steps:
            pad.press(name)
            assert pad.shown() == looks[step]
            assert pad.value() == values[step]
    pad.draw(FLOOR)  # a new line ends the way forth
    assert redo.is_disabled()
    assert len(pad.value()["strokes"]) == 2


def test_it_outlives_a_reload(pad: BarePad) -> None:
    pad.draw(ROOF, FLOOR)
    value, looks = pad.value(), pad.shown()
    pad.open()
    assert pad.values() == [value]  # and is searched again
    assert pad.shown() == looks
    assert pad.button("Undo").is_disabled()
    pad.press("Clear")
    pad.open()
    assert pad.values() == []


def test_what_leaves_the_pad_is_not_sent(browser: Any) -> None:
    """Only what one sees is searched: a line goes out at the right and comes back below."""
    pad = BarePad(browser, **DESKTOP)
    pad.draw([(0.5, 0.3), (1.2, 0.3), (1.2, 0.7), (0.5, 0.7)])
    out, back = lines_of(pad.value())
    assert out[:, 0].max() == back[:, 0].max() == 1.0
    assert np.abs(out[:, 1] - 0.3).max() < 0.01
    assert np.abs(back[:, 1] - 0.7).max() < 0.01
    pad.close()


def test_one_pointer_draws(browser: Any) -> None:
    pad = BarePad(browser, **PHONE)
    assert pad.fingers is not None
    pad.fingers.put("touchStart", (0.2, 0.2))
    pad.fingers.put("touchMove", (0.4, 0.2))
    pad.fingers.put("touchStart", (0.4, 0.2), (0.8, 0.8))  # a second finger, and it moves
    pad.fingers.put("touchMove", (0.6, 0.2), (0.3, 0.8))
    pad.fingers.put("touchEnd")
    (line,) = lines_of(pad.value())
    assert np.abs(line[:, 1] - 0.2).max() < 0.01
    pad.close()


POINTER = """([kind, type, id, x, y, more]) => {
  const canvas = document.querySelector('canvas'), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};  // these pointers are not the browser's own
  canvas.dispatchEvent(new PointerEvent(kind, { pointerType: type, pointerId: id, bubbles: true, cancelable: true,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height, ...more }));
}"""


def test_a_palm_gives_way_to_the_pen(browser: Any) -> None:
    pad = BarePad(browser, **DESKTOP)

    def point(kind: str, device: str, number: int, x: float, y: float, **more: Any) -> None:
        pad.page.evaluate(POINTER, [f"pointer{kind}", device, number, x, y, more])

    point("down", "touch", 1, 0.8, 0.9)  # the hand comes down first
    point("move", "touch", 1, 0.8, 0.95)
    point("down", "pen", 2, 0.2, 0.2)
    point("move", "pen", 2, 0.6, 0.2)
    point("up", "pen", 2, 0.6, 0.2)
    point("up", "touch", 1, 0.8, 0.95)
    point("down", "touch", 3, 0.8, 0.9)  # and is lifted last
    point("up", "touch", 3, 0.8, 0.9)
    (line,) = lines_of(pad.value())
    assert np.allclose(line, [(0.2, 0.2), (0.6, 0.2)], atol=0.001)

    point("down", "pen", 4, 0.4, 0.1, button=5, buttons=32)  # the pen's other end
    point("move", "pen", 4, 0.4, 0.3, button=-1, buttons=32)
    point("up", "pen", 4, 0.4, 0.3, button=5)
    assert len(pad.value()["strokes"]) == 2
    assert pad.button("Pen").get_attribute("aria-pressed") == "true"
    pad.press("Undo")
    pad.press("Undo")
    assert pad.button("Undo").is_disabled()  # the palm left no trace
    pad.close()
