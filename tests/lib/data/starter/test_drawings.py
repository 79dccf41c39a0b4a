"""The Quick, Draw! bitmaps: values, blank rows, and the move to the centre."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchray.data.starter.drawings import centred, pack_npz, read_drawings
from sketchray.data.starter.packages import QUICKDRAW


def test_drawings_are_bytes_in_the_middle_and_blank_ones_are_left_out(tarballs: dict[str, Path]) -> None:
    read = read_drawings(tarballs[QUICKDRAW.name], ["snail", "alarm clock"])
    assert list(read) == ["alarm clock", "snail"]
    images = read["snail"]
    assert images.shape == (5, 28, 28)
    assert images.dtype == np.uint8
    assert set(np.unique(images)) == {0, 255}
    np.testing.assert_array_equal(np.flatnonzero(images[0].any(axis=1)), np.arange(11, 17))
    np.testing.assert_array_equal(np.flatnonzero(images[0].any(axis=0)), np.arange(9, 19))
    assert len(read_drawings(tarballs[QUICKDRAW.name], ["snail"], limit=2)["snail"]) == 2


def test_a_word_without_drawings_is_named(tarballs: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"quickdraw\.tgz has no drawings of klein bottle"):
        read_drawings(tarballs[QUICKDRAW.name], ["snail", "klein bottle"])


def slow_centred(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Try every shift; take the one with equal margins, or one pixel less above and on the left."""
    side = len(image)
    ink = [(y, x) for y in range(side) for x in range(side) if image[y, x]]
    result = np.zeros_like(image)
    if not ink:
        return result
    shifts = []
    for axis in (0, 1):
        low, high = min(p[axis] for p in ink), max(p[axis] for p in ink)
        shifts.append(next(s for s in range(-side, side) if (side - 1 - high - s) - (low + s) in (0, 1)))
    for y, x in ink:
        result[y + shifts[0], x + shifts[1]] = image[y, x]
    return result


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 255)), max_size=6))
def test_centring_is_the_shift_to_equal_margins(points: list[tuple[int, int, int]]) -> None:
    image = np.zeros((9, 9), dtype=np.uint8)
    for y, x, ink in points:
        image[y, x] = ink
    np.testing.assert_array_equal(centred(image), slow_centred(image))


def test_the_same_array_packs_to_the_same_bytes(tmp_path: Path) -> None:
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    (tmp_path / "x.npz").write_bytes(pack_npz(images))
    assert pack_npz(images.copy()) == pack_npz(images)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["images"], images)
