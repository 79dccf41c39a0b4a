"""What a sketch is before it is drawn: vector strokes, or a bitmap of ink."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sketchray.data.ink import ink_of
from sketchray.data.thinning import trace

MAX_STROKES = 2000
MAX_POINTS = 100_000
MAX_COORDINATE = 1e7

Points = NDArray[np.float64]


class BlankSketchError(ValueError):
    """A sketch without any ink."""


@dataclass(frozen=True, eq=False)
class Strokes:
    """A vector drawing.

    Attributes:
        lines: one array (P, 2) of x, y a stroke, float64, y downwards, in any unit. One point alone is a dot.
    """

    lines: tuple[Points, ...]

    @classmethod
    def from_json(cls, drawing: Any) -> "Strokes":
        """Check and take strokes as Quick, Draw! files and the API have them: ``[[xs, ys], ...]``.

        A third list in a stroke (Quick, Draw!'s times) is ignored, and so are strokes without points.

        Raises:
            ValueError: not of this form, a coordinate that is no finite number below 1e7, or too many of them; the
                message names the stroke.
        """
        if not isinstance(drawing, list):
            raise ValueError(f"strokes are a list [[xs, ys], ...], not {type(drawing).__name__}")
        if len(drawing) > MAX_STROKES:
            raise ValueError(f"{len(drawing)} strokes; the limit is {MAX_STROKES}")
        lines = [_line(i, stroke) for i, stroke in enumerate(drawing)]
        if (points := sum(map(len, lines))) > MAX_POINTS:
            raise ValueError(f"{points} points; the limit is {MAX_POINTS}")
        return cls(tuple(line for line in lines if len(line)))

    @property
    def strokes(self) -> "Strokes":
        """The drawing as strokes: itself."""
        return self


@dataclass(frozen=True, eq=False)
class Bitmap:
    """A drawing as a picture of its ink.

    Attributes:
        ink_HW: uint8, 255 where there is ink, 0 on the bare ground.
    """

    ink_HW: NDArray[np.uint8]

    @classmethod
    def from_array(cls, array_HW: NDArray[Any], *, ink: Literal[0, 255] = 255) -> "Bitmap":
        """Take a grey array whose polarity is known.

        Args:
            array_HW: uint8 (H, W).
            ink: the value of full ink: 255 (as Quick, Draw!'s bitmaps) or 0 (black on white).

        Raises:
            ValueError: another shape or type.
        """
        if array_HW.ndim != 2 or array_HW.dtype != np.uint8 or 0 in array_HW.shape:
            raise ValueError(f"a bitmap is uint8 (H, W), not {array_HW.dtype} {array_HW.shape}")
        return cls(array_HW if ink == 255 else 255 - array_HW)

    @classmethod
    def from_image(cls, image: Image.Image) -> "Bitmap":
        """Find the ink in any picture: either polarity, transparent ground, or a photographed sheet of paper.

        Raises:
            BlankSketchError: nothing in it stands out from its ground.
        """
        ink_HW = ink_of(image)
        if ink_HW is None:
            raise BlankSketchError("the picture shows no drawing: nothing stands out from its background")
        return cls(ink_HW)

    @cached_property
    def strokes(self) -> Strokes:
        """The drawing's centre lines, in pixels."""
        return Strokes(tuple(trace(self.ink_HW)))


Sketch = Strokes | Bitmap


def _line(i: int, stroke: Any) -> Points:
    if not isinstance(stroke, list) or len(stroke) not in (2, 3) or not all(isinstance(part, list) for part in stroke):
        raise ValueError(f"stroke {i} is not of the form [xs, ys]")
    xs, ys = stroke[:2]
    if len(xs) != len(ys):
        raise ValueError(f"stroke {i} has {len(xs)} xs and {len(ys)} ys")
    if len(xs) > MAX_POINTS:
        raise ValueError(f"stroke {i} has {len(xs)} points; the limit is {MAX_POINTS}")
    _check_numbers(i, xs)
    _check_numbers(i, ys)
    return np.array([xs, ys], dtype=np.float64).T.reshape(-1, 2)


def _check_numbers(i: int, values: Sequence[Any]) -> None:
    for value in values:
        if type(value) not in (int, float) or not abs(value) <= MAX_COORDINATE or math.isnan(value):
            raise ValueError(f"stroke {i}: {str(value)[:40]!r} is not a finite coordinate below {MAX_COORDINATE:.0e}")
