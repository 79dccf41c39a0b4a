"""The canonical sketch raster: one look for every drawing, wherever it came from.

Training, evaluation, the API and the canvas all draw through :func:`rasterise`. A bitmap is first traced to its centre
lines (`thinning`), so that from there on everything is strokes: crop to the ink, centre, keep the aspect, draw black on
white with one line width. Detail finer than a coarse grid is left out (`canonical`): a small bitmap never had it, and
the same drawing should look alike from either. Change what comes out, and `RASTER_VERSION` goes up: it is part of an
encoder's fingerprint.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sketchray.data.sketch import Bitmap, BlankSketchError, Points, Sketch, Strokes

__all__ = [
    "DETAIL",
    "LINE_WIDTH",
    "MARGIN",
    "RASTER_VERSION",
    "Bitmap",
    "BlankSketchError",
    "Sketch",
    "Strokes",
    "canonical",
    "coarsen",
    "rasterise",
]

RASTER_VERSION = 2
DETAIL = 40  # cells a side of the grid whose finer detail is left out
DETAIL_LINE = 1.5  # line width on that grid, cells
LINE_WIDTH = 0.025  # of the picture's side: three pixels of 128
MARGIN = 0.06  # of the picture's side, kept free of centre lines all around
LEAST_CANVAS = 512  # pixels a side that are drawn on before they are reduced


def canonical(sketch: Sketch) -> Strokes:
    """Return a drawing's lines without detail finer than 1 / `DETAIL` of its size.

    A bitmap of no more than that many pixels a side is as coarse already.

    Raises:
        BlankSketchError: there is no ink.
    """
    if isinstance(sketch, Bitmap) and max(sketch.ink_HW.shape) <= DETAIL:
        return sketch.strokes
    return coarsen(sketch.strokes, DETAIL, line_width=DETAIL_LINE)


def coarsen(strokes: Strokes, side: int, *, line_width: float) -> Strokes:
    """Draw on a grid and trace that; a drawing that this wipes out stays as it is.

    Args:
        strokes: the drawing.
        side: cells of the grid.
        line_width: on the grid, cells.

    Raises:
        BlankSketchError: there is no ink.
    """
    grid = Bitmap.from_array(rasterise(strokes, side, line_width=line_width / side), ink=0)
    return grid.strokes if grid.strokes.lines else strokes


def rasterise(sketch: Sketch, size: int, *, line_width: float | None = None) -> NDArray[np.uint8]:
    """Draw a sketch's lines in the canonical way; `canonical` says which lines those are.

    Args:
        sketch: strokes or a bitmap, of any size and position.
        size: side of the result, pixels.
        line_width: as a fraction of the side; None for the canonical one (`LINE_WIDTH`).

    Returns:
        uint8 (size, size), black lines (0) on white (255), anti-aliased.

    Raises:
        BlankSketchError: there is no ink.
        ValueError: a size below 8 pixels.
    """
    if size < 8:
        raise ValueError(f"a sketch cannot be drawn on {size} pixels; 8 is the least")
    oversample = max(4, math.ceil(LEAST_CANVAS / size))
    side = size * oversample
    width = side * (LINE_WIDTH if line_width is None else line_width)
    canvas = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(canvas)
    for line in fit(sketch.strokes, side):
        _draw_line(draw, line, width)
    return np.asarray(canvas.reduce(oversample))


def fit(strokes: Strokes, side: float) -> list[Points]:
    """Return the lines scaled and moved so that their box fills the canvas up to the margin, centred.

    Raises:
        BlankSketchError: there are no points.
    """
    if not strokes.lines:
        raise BlankSketchError("the sketch is blank: there is nothing drawn yet")
    points = np.concatenate(strokes.lines)
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max())
    scale = side * (1 - 2 * MARGIN) / extent if extent > 0 else 1.0
    shift = side / 2 - (low + high) / 2 * scale
    return [line * scale + shift for line in strokes.lines]


def _draw_line(draw: ImageDraw.ImageDraw, line: Points, width: float) -> None:
    """Draw one line with round joints and ends.

    Coordinates are whole and the width odd, since Pillow rounds others to one side: a mirrored drawing stays mirrored.
    """
    r = max(1, round((width - 1) / 2))
    corners = [(x, y) for x, y in np.floor(_without_close_points(line, 0.25 * width)).astype(int).tolist()]
    if len(corners) > 1:
        draw.line(corners, fill=0, width=2 * r + 1)
    for x, y in corners:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=0)


def _without_close_points(line: Points, step: float) -> Points:
    """Drop points that lie within a step of the one before along the line; the last stays."""
    if len(line) < 3:
        return line
    steps = line[1:] - line[:-1]
    cells = np.zeros(len(line))
    np.floor(np.hypot(steps[:, 0], steps[:, 1]).cumsum() / step, out=cells[1:])
    keep = np.ones(len(line), np.bool_)
    keep[1:-1] = cells[1:-1] > cells[:-2]
    kept: Points = line[keep]
    return kept
