"""From a picture of ink to its centre lines, so that a bitmap and a vector drawing go on as the same thing.

Enlarge, threshold, thin to a skeleton one pixel wide, follow it, and smooth what was followed. Areas far wider than a
line, as in a silhouette, give their outline instead: the skeleton of a filled apple is a dot, its outline an apple.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

from sketchray.data.skeleton import Links, Pixel, find_links, find_paths

WORK = 160  # longest side of the ink while it is thinned, pixels: a 28-pixel bitmap's own pixel is six of these
INK = 75  # of 255: the least that counts as ink; low, to keep an anti-aliased line that lies between two pixels
VALLEY = 0.6  # of the most ink within VALLEY_REACH work pixels: less is a gap between two close lines
VALLEY_REACH = 7
WHISKER = 0.7  # of the ink's half width at a crossing: a line ending nearer than that is thinning's own
FILLED = 0.07  # of the longest side: half the width above which ink is an area
SMOOTH = 2.5  # of the work scale: standard deviation along a line, against the pixels' stairs
SMOOTH_REACH = 10  # four standard deviations
BORDER = 3

_GAUSS = np.exp(-0.5 / SMOOTH**2 * np.arange(-SMOOTH_REACH, SMOOTH_REACH + 1) ** 2)
_GAUSS /= _GAUSS.sum()
_NEAR = math.floor(FILLED * WORK)  # of ink that is no area, the nearest bare pixel is within so many rows and columns
_SQUARES = np.add.outer(np.arange(-_NEAR, _NEAR + 1) ** 2, np.arange(-_NEAR, _NEAR + 1) ** 2)


def trace(ink_HW: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Return the ink's centre lines.

    Args:
        ink_HW: uint8, 255 is ink.

    Returns:
        Lines (P, 2) of x, y in work pixels, y downwards; an isolated dot is one point. No lines if there is no ink.
    """
    mask_HW = _work_mask(ink_HW)
    if mask_HW is None:
        return []
    width_HW: NDArray[np.float64] | None = None
    skeleton_HW = mask_HW
    if _may_hold_area(mask_HW):
        width_HW = ndimage.distance_transform_edt(mask_HW)
        if width_HW.max() > FILLED * WORK:
            skeleton_HW = _hollow(mask_HW, width_HW)
    skeleton_HW = skeletonize(skeleton_HW)  # type: ignore[no-untyped-call]
    links, across = find_links(skeleton_HW), mask_HW.shape[1]

    def half_width(pixel: Pixel) -> float:
        y, x = divmod(pixel, across)
        return _half_width(mask_HW, y, x) if width_HW is None else float(width_HW[y, x])

    paths = [path for path in find_paths(links) if not _is_spur(path, links, half_width)]
    return [_smooth(np.array(path), across) for path in paths]


def _work_mask(ink_HW: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Crop to the ink, bring it to the work scale, and threshold it."""
    ys, xs = (np.flatnonzero((ink_HW >= INK).any(axis)) for axis in (1, 0))
    if not len(ys):
        return None
    crop_HW = np.pad(ink_HW[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1], 1)
    scale = WORK / max(crop_HW.shape)
    size = [max(3, round(side * scale)) for side in reversed(crop_HW.shape)]
    if scale < 1:  # a line thinner than a work pixel must not fade below the threshold
        crop_HW = ndimage.grey_dilation(crop_HW, size=(round(1 / scale),) * 2)
    scaled = Image.fromarray(crop_HW).resize((size[0], size[1]), Image.Resampling.BICUBIC)
    scaled_HW = np.asarray(scaled)
    most_HW = ndimage.maximum_filter(scaled_HW, VALLEY_REACH)
    return np.pad((scaled_HW >= INK) & (scaled_HW >= VALLEY * most_HW), BORDER)


def _hollow(mask_HW: NDArray[np.bool_], width_HW: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Leave of areas only a rim, and of lines everything."""
    core_HW = width_HW > FILLED * WORK
    area_HW = mask_HW & (ndimage.distance_transform_edt(~core_HW) <= FILLED * WORK + 1)
    hollowed: NDArray[np.bool_] = mask_HW & ~(area_HW & (width_HW > 2))
    return hollowed


def _may_hold_area(mask_HW: NDArray[np.bool_]) -> bool:
    """Tell whether there is a square of ink so large that some ink may have a half width above that of a line.

    Around such ink a square of that half width over the square root of two is all ink: 15 pixels a side.
    """
    square_HW = mask_HW
    for step in (1, 2, 4, 7):
        square_HW = square_HW[:, :-step] & square_HW[:, step:]
        square_HW = square_HW[:-step] & square_HW[step:]
    return bool(square_HW.any())


def _half_width(mask_HW: NDArray[np.bool_], y: int, x: int) -> float:
    """Return the distance to the nearest bare pixel, which is within `_NEAR` rows and columns."""
    top, left = max(0, y - _NEAR), max(0, x - _NEAR)
    bare_HW = ~mask_HW[top : y + _NEAR + 1, left : x + _NEAR + 1]
    above, before = top - y + _NEAR, left - x + _NEAR
    squares_HW = _SQUARES[above : above + bare_HW.shape[0], before : before + bare_HW.shape[1]]
    return math.sqrt(squares_HW[bare_HW].min())


def _is_spur(path: list[Pixel], links: Links, half_width: Callable[[Pixel], float]) -> bool:
    """Return whether a line is only thinning's whisker: from a crossing to an end that is hardly outside it."""
    end, crossing = sorted((path[0], path[-1]), key=lambda pixel: len(links[pixel]))
    if len(links[end]) != 1 or len(links[crossing]) < 3:
        return False
    return len(path) < WHISKER * half_width(crossing)


def _smooth(path_P: NDArray[np.int_], across: int) -> NDArray[np.float64]:
    line = np.empty((len(path_P), 2))
    line[:, 1], line[:, 0] = np.divmod(path_P, across)
    if len(line) < 4:
        return line
    if path_P[0] == path_P[-1]:
        smooth = ndimage.correlate1d(line[:-1], _GAUSS, axis=0, mode="wrap")
        smooth = np.concatenate([smooth, smooth[:1]])
    else:  # a point reflection at each end keeps the end where it is
        reach = min(len(line) - 1, 8)
        before, after = 2 * line[0] - line[reach:0:-1], 2 * line[-1] - line[-2 : -reach - 2 : -1]
        smooth = ndimage.correlate1d(np.concatenate([before, line, after]), _GAUSS, axis=0)[reach:-reach]
    return np.concatenate([smooth[:-1:2], smooth[-1:]])
