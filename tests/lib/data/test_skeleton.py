"""Following a skeleton, and its half widths, against their slow definitions."""

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.morphology import skeletonize

from sketchray.data import thinning
from sketchray.data.skeleton import find_links, find_paths

Place = tuple[int, int]
Links = dict[Place, list[Place]]


def scrawl(seed: int, *, width: int = 6) -> np.ndarray:
    """Return lines, circles and dots that cross one another, bool with a bare border."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (120, 90))
    draw = ImageDraw.Draw(image)
    for x0, y0, x1, y1 in rng.integers(5, 85, (8, 4)).tolist():
        draw.line((x0, y0, x1, y1), fill=1, width=width)
    x, y = rng.integers(20, 60, 2).tolist()
    draw.ellipse((x, y, x + 25, y + 25), outline=1, width=2)
    draw.point((110, 5), fill=1)
    return np.pad(np.asarray(image) > 0, 3)


def slow_links(skeleton_HW: np.ndarray) -> Links:
    """Look at the eight neighbours of each pixel, row by row."""
    links: Links = {}
    for y, x in np.argwhere(skeleton_HW).tolist():
        links[y, x] = []
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                around = skeleton_HW[y, x + dx], skeleton_HW[y + dy, x]
                diagonal = dy != 0 and dx != 0
                if (dy or dx) and skeleton_HW[y + dy, x + dx] and not (diagonal and any(around)):
                    links[y, x].append((y + dy, x + dx))
    return links


def slow_paths(links: Links) -> Iterator[list[Place]]:
    """Mark every link in both directions as it is walked."""
    done: set[tuple[Place, Place]] = set()

    def follow(path: list[Place]) -> list[Place]:
        done.update(((path[0], path[1]), (path[1], path[0])))
        while len(links[path[-1]]) == 2 and path[-1] != path[0]:
            path.append(next(other for other in links[path[-1]] if other != path[-2]))
            done.update(((path[-1], path[-2]), (path[-2], path[-1])))
        return path

    for closed in (False, True):
        for pixel, neighbours in links.items():
            for other in neighbours:
                if (closed or len(neighbours) != 2) and (pixel, other) not in done:
                    yield follow([pixel, other])
    for pixel, neighbours in links.items():
        if not neighbours:
            yield [pixel]


@pytest.mark.parametrize("seed", range(12))
def test_links_and_paths_are_those_of_the_slow_definitions(seed: int) -> None:
    skeleton_HW = skeletonize(scrawl(seed))  # type: ignore[no-untyped-call]
    links, slow = find_links(skeleton_HW), slow_links(skeleton_HW)
    across = skeleton_HW.shape[1]
    assert [divmod(pixel, across) for pixel in links] == list(slow)
    named = {divmod(pixel, across): [divmod(other, across) for other in others] for pixel, others in links.items()}
    assert named == slow
    paths = [[divmod(pixel, across) for pixel in path] for path in find_paths(links)]
    assert paths == list(slow_paths(slow))
    assert any(path[0] == path[-1] for path in paths)
    assert any(len(path) == 1 for path in paths)


def test_no_pixels_have_no_links() -> None:
    assert find_links(np.zeros((9, 9), np.bool_)) == {}


@pytest.mark.parametrize("width", [3, 8, 15, 24])
def test_half_widths_are_distances_to_the_nearest_bare_pixel(width: int) -> None:
    for seed in range(4):
        mask_HW = scrawl(seed, width=width)
        width_HW = ndimage.distance_transform_edt(mask_HW)
        if width_HW.max() > thinning.FILLED * thinning.WORK:
            assert thinning._may_hold_area(mask_HW)
        if not thinning._may_hold_area(mask_HW):
            for y, x in np.argwhere(mask_HW)[::7].tolist():
                assert thinning._half_width(mask_HW, y, x) == width_HW[y, x]


def test_the_areas_of_thin_and_of_thick_drawings_are_told_apart() -> None:
    assert not thinning._may_hold_area(np.pad(np.ones((14, 60), np.bool_), 3))
    assert thinning._may_hold_area(np.pad(np.ones((15, 60), np.bool_), 3))
