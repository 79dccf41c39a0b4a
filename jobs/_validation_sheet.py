"""A retrieval sheet: sketches of held-out classes, each with the photos that the encoder finds nearest.

Tensor legend: N sketches, M photos, R ranks shown, S side of a tile.
"""

import numpy as np
from PIL import Image

from jobs._held_out import Embedded
from jobs._tracking import Picture

SHOWN = 10  # photos a sketch
TILE, FRAME = 64, 3  # pixels
RIGHT, WRONG, ASKED = (0, 158, 115), (213, 94, 0), (255, 255, 255)


def retrieval_sheet(sketches_N3HW: Picture, asked: Embedded, photos_M3HW: Picture, gallery: Embedded) -> Picture:
    """Draw a line for each sketch: itself, then its nearest photos, framed green where they are of its class.

    Args:
        sketches_N3HW: the pictures that ask, uint8.
        asked: their embeddings and classes.
        photos_M3HW: the pictures that may answer.
        gallery: their embeddings and classes.

    Returns:
        uint8 (height, width, 3).
    """
    nearest_NR = np.argsort(-asked.vectors_ND @ gallery.vectors_ND.T, axis=1, kind="stable")[:, :SHOWN]
    lines = []
    for sketch, name, nearest_R in zip(sketches_N3HW, asked.classes, nearest_NR, strict=True):
        found = [_tile(photos_M3HW[row], RIGHT if gallery.classes[row] == name else WRONG) for row in nearest_R]
        lines.append(np.concatenate([_tile(sketch, ASKED), *found], axis=1))
    return np.concatenate(lines)


def _tile(picture_3HW: Picture, colour: tuple[int, int, int]) -> Picture:
    side = TILE + 2 * FRAME
    tile_SS3 = np.full((side, side, 3), colour, np.uint8)
    image = Image.fromarray(np.ascontiguousarray(picture_3HW.transpose(1, 2, 0))).resize((TILE, TILE))
    tile_SS3[FRAME:-FRAME, FRAME:-FRAME] = np.asarray(image)
    return tile_SS3
