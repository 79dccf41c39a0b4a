"""The eraser: it cuts strokes where it touches them, and nowhere else."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from serve.canvas.assets import asset
from tests.serve.browser.bare_pad import BarePad
from tests.serve.browser.hand import Line

pytestmark = pytest.mark.slow
ACROSS: Line = [(0.1, 0.5), (0.9, 0.5)]
SWEEP: Line = [(0.5, 0.3), (0.5, 0.7)]
PEN, ERASER = 14, 60  # widths that the pad starts with, thousandths of its side


def test_a_line_is_cut_where_it_was_erased(pad: BarePad) -> None:
    pad.draw(ACROSS)
    whole, looks = pad.value(), pad.shown()
    pad.press("Eraser")
    pad.draw(SWEEP)
    left, right = pad.value()["strokes"]
    for end, side in ((max(left[0]), -1), (min(right[0]), 1)):
        assert end == pytest.approx(500 + side * (ERASER + PEN) / 2, abs=3)
    assert pad.shown() != looks
    pad.press("Undo")
    assert pad.value() == whole
    assert pad.shown() == looks
    pad.press("Redo")
    assert len(pad.value()["strokes"]) == 2
    pad.press("Pen")
    pad.draw(SWEEP)
    assert len(pad.value()["strokes"]) == 3


def test_erasing_nothing_is_no_step(pad: BarePad) -> None:
    pad.draw(ACROSS)
    pad.press("Eraser")
    pad.draw([(0.2, 0.1), (0.8, 0.1)])
    pad.press("Undo")
    assert pad.value()["strokes"] == []


def test_all_can_be_erased(pad: BarePad) -> None:
    pad.draw(ACROSS, [(0.5, 0.5)])
    pad.press("Eraser")
    pad.draw([(0.05, 0.5), (0.95, 0.5)])
    assert pad.value() == {"strokes": [], "picture": None}
    assert pad.button("Clear").is_disabled()
    assert pad.page.locator(".sheet.drawn").count() == 0  # it invites again


def test_the_ring_shows_what_it_would_take(browser: Any) -> None:
    pad = BarePad(browser, viewport={"width": 900, "height": 900})
    ring, box = pad.page.locator(".ring"), pad.page.locator("canvas").bounding_box()
    pad.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    assert not ring.is_visible()
    pad.press("Eraser")
    pad.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    shown = ring.bounding_box()
    assert shown["width"] == pytest.approx(box["width"] * ERASER / 1000, abs=1)
    assert shown["x"] + shown["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1)
    pad.page.mouse.move(box["x"] - 5, box["y"] - 5)
    assert not ring.is_visible()
    pad.close()


def dense(line_P2: np.ndarray, step: float = 0.25) -> np.ndarray:
    """Return points all along a line, (N, 2)."""
    parts = [p + (q - p) * np.linspace(0, 1, 2 + int(np.hypot(*(q - p)) / step))[:, None] for p, q in pairwise(line_P2)]
    return np.concatenate(parts)


def distance(points_N2: np.ndarray, line_P2: np.ndarray) -> np.ndarray:
    """Return how far points are from the nearest of a line's points, (N,)."""
    apart_NP2 = points_N2[:, None] - line_P2
    nearest: np.ndarray = np.hypot(apart_NP2[..., 0], apart_NP2[..., 1]).min(1)
    return nearest


def test_cutting_against_the_slow_definition(browser: Any) -> None:
    """A point of a line stays if and only if no point of the eraser's way comes within reach of it."""
    rng = np.random.default_rng(3)
    page = browser.new_page()
    page.evaluate(
        f"Object.assign(window, (() => {{ const SIDE = 1000; {asset('pad/geometry.js')} return {{ erased }}; }})())"
    )
    cut = 0
    for _ in range(40):
        line_P2 = np.cumsum(rng.normal(0, 14, (12, 2)), 0) + 100
        a, b = line_P2[rng.integers(12, size=2)] + rng.normal(0, 15, (2, 2))
        width, radius = rng.uniform(2, 10), rng.uniform(3, 20)
        stroke = {"xs": line_P2[:, 0].tolist(), "ys": line_P2[:, 1].tolist(), "width": width}
        left = page.evaluate("args => window.erased(...args)", [stroke, a.tolist(), b.tolist(), radius])
        away_N = distance(dense(line_P2), dense(np.stack([a, b]))) - radius - width / 2
        here_N2 = [dense(np.array([piece["xs"], piece["ys"]]).T) for piece in left]
        gap_N = distance(dense(line_P2), np.concatenate([*here_N2, np.full((1, 2), 1e6)]))
        assert gap_N[away_N > 5].max(initial=0) < 0.5  # pieces shorter than 4 go as well
        assert all(distance(piece, dense(np.stack([a, b]))).min() > radius + width / 2 - 0.5 for piece in here_N2)
        cut += len(left) > 1
    assert cut > 5
    page.close()
