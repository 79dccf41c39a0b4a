"""Precision over rank as a small SVG picture, without a plotting library."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from sketchray.evaluation.report import Row, labels

WIDTH, HEIGHT, MARGIN = 720, 420, 50
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def precision_plot(rows: Sequence[Row]) -> str:
    """Draw mean precision among the first k items over k (logarithmic), a line a row, chance dashed; return the SVG."""
    last = max(rank for row in rows for rank in row.curve.ranks)

    def place(rank: float, precision: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (math.log(rank) / math.log(last) if last > 1 else 0.0)
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * precision:.1f}"

    parts = []
    for tenth in range(0, 11, 2):
        x, y = place(1, tenth / 10).split(",")
        parts.append(f'<path d="M{x},{y} H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 8}" y="{float(y) + 4}" text-anchor="end">{tenth / 10:.1f}</text>')
    for rank in (10**power for power in range(int(math.log10(last)) + 1)):
        x, y = place(rank, 0).split(",")
        parts.append(f'<text x="{x}" y="{float(y) + 18}" text-anchor="middle">{rank}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">rank k</text>')
    parts.append(f'<text x="{MARGIN}" y="{MARGIN - 20}">precision of the first k</text>')
    for number, (row, label) in enumerate(zip(rows, labels(rows), strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(map(place, row.curve.ranks, row.curve.precision))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        right, line = WIDTH - MARGIN, MARGIN + 18 * number
        parts.append(f'<text x="{right}" y="{line}" text-anchor="end" fill="{colour}">{escape(label)}</text>')
    # The precision that random order has at rank 1 it has at every rank.
    chance = rows[0].curve.chance
    parts.append(f'<polyline points="{place(1, chance)} {place(last, chance)}" stroke="#666" stroke-dasharray="5 4"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif"'
    return f'{head} font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
