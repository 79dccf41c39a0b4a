"""Drawings that several tests of this room use."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sketchray.data.sketch import Strokes


@pytest.fixture
def house() -> Strokes:
    """A house with a door, a round window, a chimney and a dot for its bell: 100 wide, 120 high."""
    angle = np.linspace(0, 2 * np.pi, 25)
    return Strokes.from_json(
        [
            [[0, 0, 100, 100, 0], [50, 120, 120, 50, 50]],
            [[0, 50, 100], [50, 0, 50]],
            [[20, 20, 45, 45], [120, 80, 80, 120]],
            [(70 + 14 * np.cos(angle)).tolist(), (80 + 14 * np.sin(angle)).tolist()],
            [[75, 75, 88, 88], [24, 2, 2, 38]],
            [[33], [66]],
        ]
    )


@pytest.fixture
def draw_plainly() -> Callable[..., NDArray[np.uint8]]:
    """Draw strokes into a bitmap as others do (ink 255), independent of the canonical raster."""

    def draw(strokes: Strokes, side: int, *, line: float = 1.0, margin: float = 0.0) -> NDArray[np.uint8]:
        points = np.concatenate(strokes.lines)
        low, extent = points.min(0), np.ptp(points, axis=0).max()
        image = Image.new("L", (side * 8, side * 8))
        canvas = ImageDraw.Draw(image)
        for points in strokes.lines:
            corners = ((points - low) / extent * (side - 1 - 2 * margin) + margin) * 8 + 4
            if len(corners) == 1:
                x, y = corners[0].tolist()
                canvas.ellipse((x - 4 * line, y - 4 * line, x + 4 * line, y + 4 * line), fill=255)
            canvas.line([(x, y) for x, y in corners.tolist()], fill=255, width=round(8 * line), joint="curve")
        return np.asarray(image.reduce(8))

    return draw
