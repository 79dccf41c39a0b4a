"""From a picture of ink to its centre lines, so that a bitmap and a vector drawing go on as the same thing.

Enlarge, threshold, thin to a skeleton one pixel wide, follow it, and smooth what was followed. Areas far wider than a
line, as in a silhouette, give their outline instead: the skeleton of a filled apple is a dot, its outline an apple.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

WORK = 160  # longest side of the ink while it is thinned, pixels: a 28-pixel bitmap's own pixel is six of these
INK = 75  # of 255: the least that counts as ink; low, to keep an anti-aliased line that lies between two pixels
VALLEY = 0.6  # of the most ink within VALLEY_REACH work pixels: less is a gap between two close lines
VALLEY_REACH = 7
WHISKER = 0.7  # of the ink's half width at a crossing: a line ending nearer than that is thinning's own
FILLED = 0.07  # of the longest side: half the width above which ink is an area
SMOOTH = 2.5  # of the work scale: standard deviation along a line, against the pixels' stairs
BORDER = 3

Pixel = tuple[int, int]
Links = dict[Pixel, list[Pixel]]


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
    width_HW = ndimage.distance_transform_edt(mask_HW)
    if width_HW.max() > FILLED * WORK:
        mask_HW = _hollow(mask_HW, width_HW)
    links = _links(skeletonize(mask_HW))  # type: ignore[no-untyped-call]
    return [_smooth(path) for path in _paths(links) if not _is_spur(path, links, width_HW)]


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


def _links(skeleton_HW: NDArray[np.bool_]) -> Links:
    """Return each skeleton pixel's neighbours, without diagonals where two straight steps lead there too."""
    pixels = [(int(y), int(x)) for y, x in np.argwhere(skeleton_HW)]
    present = set(pixels)
    links: Links = {pixel: [] for pixel in pixels}
    for y, x in pixels:
        for other in ((y, x + 1), (y + 1, x)):
            if other in present:
                links[y, x].append(other)
                links[other].append((y, x))
        for dx in (-1, 1):
            other = (y + 1, x + dx)
            if other in present and (y, x + dx) not in present and (y + 1, x) not in present:
                links[y, x].append(other)
                links[other].append((y, x))
    return links


def _paths(links: Links) -> Iterator[list[Pixel]]:
    """Yield the lines between ends and crossings, then the closed ones, then the dots; each link once."""
    done: set[tuple[Pixel, Pixel]] = set()

    def follow(start: Pixel, step: Pixel) -> list[Pixel]:
        path = [start, step]
        done.update(((start, step), (step, start)))
        while len(links[path[-1]]) == 2 and path[-1] != start:
            last = path[-1]
            following = links[last][0] if links[last][0] != path[-2] else links[last][1]
            done.update(((last, following), (following, last)))
            path.append(following)
        return path

    for closed in (False, True):
        for pixel, neighbours in links.items():
            if closed or len(neighbours) != 2:
                yield from (follow(pixel, other) for other in neighbours if (pixel, other) not in done)
    yield from ([pixel] for pixel, neighbours in links.items() if not neighbours)


def _is_spur(path: list[Pixel], links: Links, width_HW: NDArray[np.float64]) -> bool:
    """Return whether a line is only thinning's whisker: from a crossing to an end that is hardly outside it."""
    ends = sorted((path[0], path[-1]), key=lambda pixel: len(links[pixel]))
    if len(links[ends[0]]) != 1 or len(links[ends[1]]) < 3:
        return False
    return len(path) < WHISKER * float(width_HW[ends[1]])


def _smooth(path: list[Pixel]) -> NDArray[np.float64]:
    line = np.array(path, dtype=np.float64)[:, ::-1]
    if len(line) < 4:
        return line
    if path[0] == path[-1]:
        smooth = ndimage.gaussian_filter1d(line[:-1], SMOOTH, axis=0, mode="wrap")
        smooth = np.concatenate([smooth, smooth[:1]])
    else:  # a point reflection at each end keeps the end where it is
        reach = min(len(line) - 1, 8)
        before, after = 2 * line[0] - line[reach:0:-1], 2 * line[-1] - line[-2 : -reach - 2 : -1]
        smooth = ndimage.gaussian_filter1d(np.concatenate([before, line, after]), SMOOTH, axis=0)[reach:-reach]
    return np.concatenate([smooth[:-1:2], smooth[-1:]])
