"""A hand at a drawing pad: lines in fractions of the pad, drawn with the mouse or with a finger."""

import math
from typing import Any

Line = list[tuple[float, float]]


def ring(x: float, y: float, radius: float, turn: float = 2 * math.pi) -> Line:
    angles = [turn * step / 32 for step in range(33)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


# A cat.
HEAD = ring(0.5, 0.56, 0.3)
REST: list[Line] = [
    [(0.26, 0.36), (0.24, 0.1), (0.42, 0.26)],
    [(0.58, 0.26), (0.76, 0.1), (0.74, 0.36)],
    ring(0.39, 0.5, 0.035),
    ring(0.61, 0.5, 0.035),
    [(0.46, 0.6), (0.54, 0.6), (0.5, 0.65), (0.46, 0.6)],
    ring(0.45, 0.66, 0.05, math.pi),
    ring(0.55, 0.66, 0.05, math.pi),
    *([(0.5 + side * 0.15, 0.62), (0.5 + side * 0.42, 0.62 + tilt)] for side in (-1, 1) for tilt in (-0.04, 0.04)),
]


def places(page: Any, line: Line) -> list[tuple[float, float]]:
    """Return where a line lies on the screen, CSS pixels."""
    box = page.locator("#pad canvas").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]


def draw_with_mouse(page: Any, line: Line) -> None:
    """Draw one line with the mouse, one move to each point."""
    first, *rest = places(page, line)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place)
    page.mouse.up()


class Fingers:
    """Fingers on a touch screen."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.screen = page.context.new_cdp_session(page)

    def put(self, kind: str, *points: tuple[float, float]) -> None:
        """Send ``touchStart``, ``touchMove`` or ``touchEnd`` of all fingers that are down, in fractions of the pad."""
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places(self.page, list(points)))]
        self.screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def draw(self, line: Line) -> None:
        """Draw one line with one finger."""
        self.put("touchStart", line[0])
        for point in line[1:]:
            self.put("touchMove", point)
        self.put("touchEnd")
