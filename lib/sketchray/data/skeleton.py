"""From a skeleton one pixel wide to its lines. Every sketch of every request comes through here, so it is quick.

Pixels are numbers, row by row, and neighbours are found for all of them at once.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Pixel = int
Links = dict[Pixel, list[Pixel]]


def find_links(skeleton_HW: NDArray[np.bool_]) -> Links:
    """Return each skeleton pixel's neighbours, without diagonals where two straight steps lead there too.

    Args:
        skeleton_HW: with a bare border; pixel (y, x) has the number y * W + x.

    Returns:
        Pixels row by row; the neighbours of each in the same order.
    """
    across = skeleton_HW.shape[1]
    ink_P = skeleton_HW.ravel()
    pixel_N = np.flatnonzero(ink_P)
    up, left, right, down = (ink_P[pixel_N + step] for step in (-across, -1, 1, across))
    steps = (-across - 1, -across, -across + 1, -1, 1, across - 1, across, across + 1)
    linked_N8 = np.stack(
        [
            ink_P[pixel_N + steps[0]] & ~up & ~left,
            up,
            ink_P[pixel_N + steps[2]] & ~up & ~right,
            left,
            right,
            ink_P[pixel_N + steps[5]] & ~down & ~left,
            down,
            ink_P[pixel_N + steps[7]] & ~down & ~right,
        ],
        axis=1,
    )
    others = (pixel_N[:, None] + np.array(steps))[linked_N8].tolist()
    spans = pairwise([0, *linked_N8.sum(1).cumsum().tolist()])
    return {pixel: others[begin:end] for pixel, (begin, end) in zip(pixel_N.tolist(), spans, strict=True)}


def find_paths(links: Links) -> Iterator[list[Pixel]]:
    """Yield the lines between ends and crossings, then the closed ones, then the dots; each link once."""
    done: set[tuple[Pixel, Pixel]] = set()  # how a line leaves an end or a crossing
    passed: set[Pixel] = set()  # between those

    def follow(start: Pixel, step: Pixel) -> list[Pixel]:
        path, before, last = [start, step], start, step
        while len(links[last]) == 2 and last != start:
            one, other = links[last]
            before, last = last, (one if one != before else other)
            path.append(last)
        done.update(((start, step), (last, before)))
        passed.update(path[1:-1])
        return path

    for pixel, neighbours in links.items():
        if len(neighbours) != 2:
            yield from (follow(pixel, other) for other in neighbours if (pixel, other) not in done)
    for pixel, neighbours in links.items():
        if len(neighbours) == 2 and pixel not in passed:
            yield follow(pixel, neighbours[0])
            passed.add(pixel)
    yield from ([pixel] for pixel, neighbours in links.items() if not neighbours)
