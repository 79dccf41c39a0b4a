"""The reliability diagram as a small SVG picture: what was observed over what was said."""

from collections.abc import Mapping

from sketchray.evaluation.plot import COLOURS, LINE, text_at
from sketchray.evaluation.reliability import Reliability

SIDE, MARGIN = 360, 56
DOT = 7  # radius of the dot of a bin that holds all pairs, pixels
DIAGONAL = 'stroke="#888" stroke-dasharray="12 5"'


def reliability_plot(lines: Mapping[str, Reliability]) -> str:
    """Draw the bins of some reliabilities, a line each with its name and error in the legend; return the SVG.

    A dot's area is the share of pairs in its bin; probabilities that hold lie on the dashed diagonal.
    """
    parts = []
    for fifth in range(6):
        x, y = _place(0, fifth / 5)
        parts.append(f'<path d="M{x:.1f},{y:.1f} h{SIDE}" stroke="#ddd"/>')
        parts.append(text_at(x - 8, y + 4, f"{fifth / 5:.1f}", "end"))
        parts.append(text_at(x + SIDE * fifth / 5, MARGIN + SIDE + 18, f"{fifth / 5:.1f}", "middle"))
    parts.append(text_at(MARGIN + SIDE / 2, MARGIN + SIDE + 38, "probability said", "middle"))
    parts.append(text_at(MARGIN, MARGIN - 18, "share observed to be relevant"))
    parts.append(f'<path d="M{MARGIN},{MARGIN + SIDE} l{SIDE},{-SIDE}" {DIAGONAL}/>')
    below = MARGIN + SIDE + 64
    for number, (name, line) in enumerate(lines.items()):
        colour, y = COLOURS[number % len(COLOURS)], below + LINE * number
        places = [_place(bin.predicted, bin.observed) for bin in line.bins]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for bin, (cx, cy) in zip(line.bins, places, strict=True):
            radius = max(1.5, DOT * (bin.count / line.count) ** 0.5)
            parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}" fill="{colour}"/>')
        parts.append(f'<path d="M{MARGIN},{y} h36" stroke="{colour}" stroke-width="2"/>')
        parts.append(text_at(MARGIN + 46, y + 4, f"{name}: {line.count} pairs, expected error {line.ece:.4f}"))
    width, height = SIDE + 2 * MARGIN, below + LINE * len(lines)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif"'
    return f'{head} font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'


def _place(said: float, observed: float) -> tuple[float, float]:
    return MARGIN + SIDE * said, MARGIN + SIDE * (1 - observed)
