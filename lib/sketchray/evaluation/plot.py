"""Precision over rank as a small SVG picture, without a plotting library."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from sketchray.evaluation.rows import MARKS, Row
from sketchray.evaluation.tables import labels

WIDTH, HEIGHT, MARGIN = 720, 420, 50
LINE = 19  # of the legend, pixels
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31", "#7f3c8d", "#80ba5a")
DASHES = {"": "none", "*": "7 4", "*†": "2 3", "†": "2 3"}
CHANCE = 'stroke="#888" stroke-dasharray="12 5"'


def precision_plot(rows: Sequence[Row]) -> str:
    """Draw mean precision among the first k items over k (logarithmic); return the SVG.

    Args:
        rows: of one setting, a line each; dashed where the ranking is gallery-transductive, dotted where it is one of
            an oracle sweep. The legend is below, with the marks of the tables.
    """
    last = max(rank for row in rows for rank in row.curve.ranks)

    def place(rank: float, precision: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (math.log(rank) / math.log(last) if last > 1 else 0.0)
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * precision:.1f}"

    parts = []
    for tenth in range(0, 11, 2):
        x, y = place(1, tenth / 10).split(",")
        parts.append(f'<path d="M{x},{y} H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(text_at(MARGIN - 8, float(y) + 4, f"{tenth / 10:.1f}", "end"))
    for rank in (10**power for power in range(int(math.log10(last)) + 1)):
        x, y = place(rank, 0).split(",")
        parts.append(text_at(float(x), float(y) + 18, str(rank), "middle"))
    parts.append(text_at(WIDTH / 2, HEIGHT - 12, "rank k", "middle"))
    parts.append(text_at(MARGIN, MARGIN - 20, "precision of the first k"))
    legend = []
    for number, (row, label) in enumerate(zip(rows, labels(rows), strict=True)):
        look = f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2" stroke-dasharray="{DASHES[row.marks]}"'
        points = " ".join(map(place, row.curve.ranks, row.curve.precision))
        parts.append(f'<polyline points="{points}" fill="none" {look}/>')
        legend.append((label, look))
    # The precision that random order has at rank 1 it has at every rank.
    chance = rows[0].curve.chance
    parts.append(f'<polyline points="{place(1, chance)} {place(last, chance)}" {CHANCE}/>')
    below = _legend([*legend, ("chance", CHANCE)])
    height = HEIGHT + LINE * len(below) + MARGIN // 2
    notes = [f"{mark} {meaning}" for mark, meaning in MARKS.items() if any(mark in row.marks for row in rows)]
    parts += below
    parts += [text_at(MARGIN, height + LINE * line, note) for line, note in enumerate(notes)]
    height += LINE * len(notes)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
    return f'{head} font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'


def _legend(entries: Sequence[tuple[str, str]]) -> list[str]:
    """One line of the legend a string: a piece of the line as it is drawn, and the label."""
    lines = []
    for number, (label, look) in enumerate(entries):
        y = HEIGHT + 10 + LINE * number
        lines.append(f'<path d="M{MARGIN},{y} h36" {look}/>' + text_at(MARGIN + 46, y + 4, label))
    return lines


def text_at(x: float, y: float, text: str, anchor: str = "start") -> str:
    """Return text at a place of an SVG, in pixels; the anchor is ``start``, ``middle`` or ``end``."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
