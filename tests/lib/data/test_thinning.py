"""Centre lines of ink, against drawings whose lines are known."""

import numpy as np
from PIL import Image, ImageDraw

from sketchray.data.thinning import BORDER, WORK, trace


def drawn(*lines: list[tuple[int, int]], width: int = 6, side: int = 160) -> np.ndarray:
    image = Image.new("L", (side, side))
    for line in lines:
        ImageDraw.Draw(image).line(line, fill=255, width=width)
    return np.asarray(image)


def length(lines: list[np.ndarray]) -> float:
    return float(sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines))


def test_a_bar_is_one_straight_line() -> None:
    (line,) = trace(drawn([(10, 80), (150, 80)]))
    assert np.ptp(line[:, 1]) < 1.5
    assert np.ptp(line[:, 0]) > 0.9 * WORK


def test_a_cross_is_four_arms_and_a_circle_one_closed_line() -> None:
    arms = trace(drawn([(10, 10), (150, 150)], [(150, 10), (10, 150)]))
    centre = [BORDER + WORK / 2] * 2
    long_arms = [line for line in arms if length([line]) > 20]
    assert len(long_arms) == 4
    for line in long_arms:
        assert np.hypot(*(line - centre).T).min() < 5
    image = Image.new("L", (160, 160))
    ImageDraw.Draw(image).ellipse((10, 10, 150, 150), outline=255, width=6)
    (circle,) = trace(np.asarray(image))
    np.testing.assert_allclose(circle[0], circle[-1])
    radius = np.hypot(*(circle - centre).T)
    np.testing.assert_allclose(radius, 0.5 * (WORK - 8), atol=2)


def test_each_stretch_is_followed_once() -> None:
    square = [(20, 20), (140, 20), (140, 140), (20, 140), (20, 20)]
    lines = trace(drawn(square, [(20, 20), (140, 140)]))
    expected = (4 * 120 + 120 * 2**0.5) * WORK / 128
    assert abs(length(lines) / expected - 1) < 0.06


def test_a_dot_is_one_point_and_nothing_is_no_line() -> None:
    ink = drawn([(10, 80), (150, 80)])
    ink = np.maximum(ink, drawn([(80, 20), (80, 20)], width=7))
    dots = [line for line in trace(ink) if length([line]) < 5]
    assert len(dots) == 1
    assert trace(np.zeros((9, 9), np.uint8)) == []


def test_a_disc_gives_its_outline_and_keeps_its_stem() -> None:
    image = Image.new("L", (160, 160))
    ImageDraw.Draw(image).ellipse((30, 60, 130, 158), fill=255)
    ImageDraw.Draw(image).line([(80, 60), (80, 2)], fill=255, width=4)
    lines = trace(np.asarray(image))
    expected = (np.pi * 97 + 58) * WORK / 158
    assert abs(length(lines) / expected - 1) < 0.1


def test_a_line_one_pixel_wide_in_a_large_picture_is_not_lost() -> None:
    (line,) = trace(drawn([(10, 500), (990, 500)], width=1, side=1000))
    assert np.ptp(line[:, 0]) > 0.9 * WORK
