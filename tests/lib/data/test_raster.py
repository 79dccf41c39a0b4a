"""The canonical raster: one look, whatever the source."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy.ndimage import gaussian_filter

from sketchray.data.raster import LINE_WIDTH, MARGIN, Bitmap, BlankSketchError, Sketch, Strokes, canonical, rasterise

Draw = Callable[..., NDArray[np.uint8]]
Picture = NDArray[np.uint8]
SIZE = 128


def alike(first: Picture, second: Picture, blur: float = 2.0) -> float:
    """Return the correlation of two pictures' ink, blurred by two pixels: 1 for the same, about 0 for unrelated."""
    a, b = (gaussian_filter(255.0 - picture, blur) for picture in (first, second))
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def ink_box(picture: Picture) -> tuple[float, float, float, float]:
    ys, xs = np.nonzero(picture < 128)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def test_black_lines_on_white_in_the_middle(house: Strokes) -> None:
    picture = rasterise(house, SIZE)
    assert picture.shape == (SIZE, SIZE)
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture[0].min() == 255
    left, top, right, bottom = ink_box(picture)
    edge = SIZE * (MARGIN - LINE_WIDTH / 2)
    assert (top, SIZE - bottom) == pytest.approx((edge, edge), abs=1.5)
    assert left == pytest.approx(SIZE - right, abs=1.5)
    assert (right - left) / (bottom - top) == pytest.approx(100 / 120, abs=0.03)


@pytest.mark.parametrize("size", [28, 64, 128, 224])
def test_the_line_width_is_the_same_part_of_every_size(size: int) -> None:
    picture = rasterise(Strokes.from_json([[[0, 10], [0, 0]]]), size)
    thickness = (255 - picture.astype(float))[:, size // 2].sum() / 255
    assert thickness == pytest.approx(LINE_WIDTH * size, rel=0.1)


@given(scale=st.floats(0.01, 1000), dx=st.floats(-1e4, 1e4), dy=st.floats(-1e4, 1e4))
def test_position_and_size_of_the_drawing_do_not_matter(scale: float, dx: float, dy: float) -> None:
    drawing = [[[0.0, 30.0, 70.0], [0.0, 60.0, 10.0]], [[20.0], [50.0]]]
    moved = [[[x * scale + dx for x in xs], [y * scale + dy for y in ys]] for xs, ys in drawing]
    difference = rasterise(Strokes.from_json(moved), 64).astype(int) - rasterise(Strokes.from_json(drawing), 64)
    assert np.abs(difference).mean() < 0.5


@pytest.mark.parametrize("line", [0.8, 1.0, 1.4])
@pytest.mark.parametrize("margin", [0, 2])
def test_strokes_and_their_28_pixel_bitmap_look_alike(
    house: Strokes, draw_plainly: Draw, line: float, margin: float
) -> None:
    bitmap = Bitmap.from_array(draw_plainly(house, 28, line=line, margin=margin))
    assert alike(rasterise(house, SIZE), rasterise(bitmap, SIZE)) > 0.8
    other = Strokes(tuple(line[:, ::-1] for line in house.lines))
    assert alike(rasterise(house, SIZE), rasterise(other, SIZE)) < 0.5


@pytest.mark.parametrize(("side", "line"), [(64, 1.5), (128, 3.0), (256, 10.0), (600, 3.0), (600, 24.0)])
def test_size_and_pen_of_a_bitmap_do_not_matter(house: Strokes, draw_plainly: Draw, side: int, line: float) -> None:
    bitmap = Bitmap.from_array(draw_plainly(house, side, line=line, margin=side // 8))
    assert alike(rasterise(house, SIZE), rasterise(bitmap, SIZE)) > 0.9


def transparent(ink: Picture, colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGBA", ink.shape[::-1], (*colour, 0))
    image.putalpha(Image.fromarray(ink))
    return image


def photographed(ink: Picture, paper: float, pencil: float, noise: float) -> Image.Image:
    """Pencil on grey paper under a lamp to one side, slightly out of focus, with a camera's noise."""
    y_HW, x_HW = np.mgrid[-1 : 1 : ink.shape[0] * 1j, -1 : 1 : ink.shape[1] * 1j]
    light = 1 + 0.2 * x_HW + 0.1 * y_HW - 0.1 * x_HW**2
    grey = light * (paper + (pencil - paper) * gaussian_filter(ink / 255, 1))
    grey += np.random.default_rng(0).normal(0, noise, ink.shape)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


UPLOADS: dict[str, Callable[[Picture], Image.Image]] = {
    "black on white": lambda ink: Image.fromarray(255 - ink),
    "white on black": Image.fromarray,
    "one bit": lambda ink: Image.fromarray(255 - ink).convert("1", dither=Image.Dither.NONE),
    "red on cream": lambda ink: ImageOps.colorize(Image.fromarray(255 - ink), (200, 30, 30), (250, 240, 210)),
    "yellow on white": lambda ink: ImageOps.colorize(Image.fromarray(255 - ink), (240, 200, 0), (255, 255, 255)),
    "black on nothing": lambda ink: transparent(ink, (0, 0, 0)),
    "white on nothing": lambda ink: transparent(ink, (255, 255, 255)),
    "pencil on grey paper": lambda ink: photographed(ink, paper=170, pencil=95, noise=6),
    "pale pencil": lambda ink: photographed(ink, paper=190, pencil=150, noise=4),
    "pencil in the dark": lambda ink: photographed(ink, paper=90, pencil=50, noise=5),
}


@pytest.mark.parametrize("kind", UPLOADS)
def test_an_upload_of_any_polarity_looks_as_its_strokes(house: Strokes, draw_plainly: Draw, kind: str) -> None:
    image = UPLOADS[kind](draw_plainly(house, 500, line=7, margin=60))
    assert alike(rasterise(house, SIZE), rasterise(Bitmap.from_image(image), SIZE)) > 0.9


def test_a_filled_shape_becomes_its_outline() -> None:
    y_HW, x_HW = np.mgrid[:200, :200]
    disc = ((x_HW - 100) ** 2 + (y_HW - 100) ** 2 < 70**2) * np.uint8(255)
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = Strokes((np.stack([np.cos(angle), np.sin(angle)], axis=1),))
    for image in (Image.fromarray(255 - disc), transparent(disc, (0, 0, 0)), photographed(disc, 170, 60, 4)):
        assert alike(rasterise(circle, SIZE), rasterise(Bitmap.from_image(image), SIZE)) > 0.9


def test_a_bitmaps_thin_line_survives_reduction(draw_plainly: Draw) -> None:
    cross = Strokes.from_json([[[0, 10], [0, 10]], [[10, 0], [0, 10]]])
    image = Image.fromarray(255 - draw_plainly(cross, 1500, line=2, margin=100))
    assert alike(rasterise(cross, SIZE), rasterise(Bitmap.from_image(image), SIZE)) > 0.9


BLANKS: dict[str, Callable[[], Sketch]] = {
    "no strokes": lambda: Strokes.from_json([]),
    "empty strokes": lambda: Strokes.from_json([[[], []]]),
    "no ink": lambda: Bitmap.from_array(np.zeros((28, 28), np.uint8)),
    "faint ink": lambda: Bitmap.from_array(np.full((28, 28), 20, np.uint8)),
    "white": lambda: Bitmap.from_image(Image.new("L", (50, 50), 255)),
    "black": lambda: Bitmap.from_image(Image.new("RGB", (50, 50))),
    "nothing": lambda: Bitmap.from_image(Image.new("RGBA", (50, 50))),
    "one pixel": lambda: Bitmap.from_image(Image.new("L", (1, 1))),
    "bare paper": lambda: Bitmap.from_image(photographed(np.zeros((400, 300), np.uint8), 170, 90, 6)),
    "bare dark paper": lambda: Bitmap.from_image(photographed(np.zeros((300, 900), np.uint8), 70, 30, 8)),
}


@pytest.mark.parametrize("kind", BLANKS)
def test_a_blank_is_an_error_with_a_sentence(kind: str) -> None:
    with pytest.raises(BlankSketchError, match="nothing"):
        rasterise(BLANKS[kind](), SIZE)


@pytest.mark.parametrize("drawing", [[[[5], [5]]], [[[5, 5], [5, 5]]], [[[0, 9], [4, 4]]], [[[3, 3], [0, 9]]]])
def test_a_dot_and_a_straight_line_are_drawings(drawing: list[list[list[int]]]) -> None:
    picture = rasterise(Strokes.from_json(drawing), 64)
    left, top, right, bottom = ink_box(picture)
    assert (left + right) / 2 == pytest.approx(32, abs=1)
    assert (top + bottom) / 2 == pytest.approx(32, abs=1)


def test_a_size_too_small_to_draw_on_is_refused(house: Strokes) -> None:
    with pytest.raises(ValueError, match="7 pixels"):
        rasterise(house, 7)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))),
    st.sampled_from(["L", "LA", "RGB", "RGBA", "1"]),
    st.booleans(),
)
def test_any_picture_is_drawn_or_blank(array: Picture, mode: str, blurred: bool) -> None:
    image = Image.fromarray(array).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(array[::-1].copy()))
    if blurred:
        image = image.convert("RGB").filter(ImageFilter.GaussianBlur(2))
    try:
        picture = rasterise(Bitmap.from_image(image), 32)
    except BlankSketchError:
        return
    assert picture.shape == (32, 32)
    assert picture.min() < 230  # at the least a dot of one line width, 0.8 pixels, shared by four pixels


def test_detail_that_a_small_bitmap_cannot_hold_is_left_out_of_strokes_too() -> None:
    x = np.linspace(0, 100, 401)
    ripple = [[x.tolist(), (50 + 0.4 * np.sin(x * 6)).tolist()], [[0, 100], [0, 100]]]
    lines = canonical(Strokes.from_json(ripple)).lines
    flat = max(lines, key=lambda line: float(np.ptp(line[:, 0]) - np.ptp(line[:, 1])))
    assert np.ptp(flat[:, 1]) <= 1.5  # cells of the grid


def test_a_small_bitmap_is_canonical_already_and_a_dot_survives() -> None:
    array = np.zeros((28, 28), np.uint8)
    array[5:20, 13:15] = 255
    bitmap = Bitmap.from_array(array)
    assert canonical(bitmap) is bitmap.strokes
    assert rasterise(canonical(Strokes.from_json([[[3], [4]]])), 64).min() < 128
    with pytest.raises(BlankSketchError):
        canonical(Strokes(()))
