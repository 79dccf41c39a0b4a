"""Preparation and augmentation: shapes, purity, and what each option does."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from sketchray.data.images import decode_image
from sketchray.data.order import sample_rng
from sketchray.data.raster import Bitmap, BlankSketchError, Sketch, Strokes, canonical, rasterise
from sketchray.data.transforms import (
    LEAST_KEPT,
    AugmentConfig,
    augment_photo,
    augment_sketch,
    draft_side,
    prepare_photo,
    prepare_sketch,
)

Draw = Callable[..., NDArray[np.uint8]]
OFF = {"flip": 0, "rotate": 0, "stretch": 0, "shear": 0, "stroke_dropout": 0, "thickness": 1, "degrade": 0}
PHOTO_OFF = {"flip": 0, "crop": 1, "jitter": 0, "grey": 0, "outline": 0}


def only(**options: float) -> AugmentConfig:
    return AugmentConfig.model_validate({**OFF, **PHOTO_OFF, **options})


def rng(i: int = 0) -> np.random.Generator:
    return sample_rng(0, i, "sample")


@pytest.fixture
def gradient() -> Image.Image:
    """A photo 60 wide and 40 high: red grows to the right, green downwards."""
    array = np.zeros((40, 60, 3), np.uint8)
    array[..., 0] = np.linspace(0, 255, 60)
    array[..., 1] = np.linspace(0, 255, 40)[:, None]
    return Image.fromarray(array)


@pytest.mark.parametrize("size", [32, 128])
def test_every_result_is_uint8_of_three_channels(house: Strokes, gradient: Image.Image, size: int) -> None:
    config = AugmentConfig()
    for picture in (
        prepare_sketch(house, size),
        augment_sketch(house, size, rng(), config),
        prepare_photo(gradient, size),
        augment_photo(gradient, size, rng(), config),
    ):
        assert picture.shape == (3, size, size)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous


def test_a_prepared_sketch_is_the_canonical_raster(house: Strokes) -> None:
    for channel in prepare_sketch(house, 64):
        np.testing.assert_array_equal(channel, rasterise(canonical(house), 64))


def test_a_prepared_photo_is_its_centre_square(gradient: Image.Image) -> None:
    red, green, _ = prepare_photo(gradient, 40).astype(int)
    np.testing.assert_allclose(red[20], np.linspace(0, 255, 60)[10:50], atol=1)
    np.testing.assert_allclose(green[:, 20], np.linspace(0, 255, 40), atol=1)


def test_a_photos_transparency_is_white() -> None:
    assert prepare_photo(Image.new("RGBA", (20, 30)), 16).min() == 255


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 5)])
def test_photos_of_any_aspect_are_prepared(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (10, 20, 30))
    for picture in (prepare_photo(image, 16), augment_photo(image, 16, rng(), only())):
        assert picture.reshape(3, -1).T.tolist() == [[10, 20, 30]] * 256


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), step=st.integers(0, 10**6))
def test_randomness_comes_from_the_generator_alone(seed: int, step: int) -> None:
    strokes = Strokes.from_json([[[0, 9, 4], [0, 2, 8]], [[1, 5], [7, 7]]])
    photo = Image.effect_noise((24, 24), 90)
    config = AugmentConfig()
    sketches = {augment_sketch(strokes, 32, sample_rng(seed, step, "a"), config).tobytes() for _ in range(2)}
    photos = {augment_photo(photo, 32, sample_rng(seed, step, "a"), config).tobytes() for _ in range(2)}
    assert len(sketches) == len(photos) == 1


def test_samples_and_steps_differ(house: Strokes, gradient: Image.Image) -> None:
    config = AugmentConfig()
    assert len({augment_sketch(house, 32, rng(i), config).tobytes() for i in range(8)}) == 8
    assert len({augment_photo(gradient, 32, rng(i), config).tobytes() for i in range(8)}) == 8


def test_with_everything_off_augmentation_is_preparation(house: Strokes, gradient: Image.Image) -> None:
    np.testing.assert_array_equal(augment_sketch(house, 64, rng(), only()), prepare_sketch(house, 64))
    square = gradient.crop((10, 0, 50, 40))
    difference = augment_photo(square, 40, rng(), only()).astype(int) - prepare_photo(square, 40)
    assert np.abs(difference).mean() < 12  # the crop's aspect still varies


def test_flip_mirrors_both(house: Strokes, gradient: Image.Image) -> None:
    mirrored = augment_sketch(house, 64, rng(), only(flip=1)).astype(int)
    plain = prepare_sketch(house, 64).astype(int)
    to_mirror_image, to_plain = (np.abs(mirrored - other).mean() for other in (plain[:, :, ::-1], plain))
    assert to_mirror_image < to_plain / 3  # not 0: tracing on the coarse grid prefers one side by a cell
    red = augment_photo(gradient, 32, rng(), only(flip=1))[0]
    assert red[:, 0].mean() > red[:, -1].mean()


def test_thickness_changes_the_ink_and_stays_in_its_range(house: Strokes) -> None:
    plain = (255.0 - prepare_sketch(house, 64)).sum()
    ratios = [(255.0 - augment_sketch(house, 64, rng(i), only(thickness=2))).sum() / plain for i in range(30)]
    assert 0.45 < min(ratios) < 0.75
    assert 1.3 < max(ratios) < 2.1


def test_stroke_dropout_leaves_most_of_the_drawing() -> None:
    ladder = Strokes.from_json([[[0, 100], [10 * i, 10 * i]] for i in range(11)])
    plain = (255.0 - prepare_sketch(ladder, 128)).sum()
    kept = [(255.0 - augment_sketch(ladder, 128, rng(i), only(stroke_dropout=0.25))).sum() / plain for i in range(40)]
    assert min(kept) < 0.85
    assert min(kept) > LEAST_KEPT - 0.1
    one = Strokes(ladder.lines[:1])
    np.testing.assert_array_equal(augment_sketch(one, 64, rng(), only(stroke_dropout=1)), prepare_sketch(one, 64))


def test_degrading_strokes_gives_what_a_bitmap_would(house: Strokes, draw_plainly: Draw) -> None:
    degraded = augment_sketch(house, 64, rng(), only(degrade=1)).astype(float)
    bitmap = prepare_sketch(Bitmap.from_array(draw_plainly(house, 28)), 64)
    plain = prepare_sketch(house, 64)
    assert (degraded != plain).any()
    assert np.corrcoef(degraded.ravel(), bitmap.ravel())[0, 1] > 0.6
    assert np.corrcoef(degraded.ravel(), plain.ravel())[0, 1] > 0.6


def test_grey_and_outline_take_the_colours(gradient: Image.Image) -> None:
    red, green, blue = augment_photo(gradient, 32, rng(), only(grey=1))
    np.testing.assert_array_equal(red, green)
    np.testing.assert_array_equal(red, blue)
    disc = Image.fromarray(np.where(np.hypot(*np.mgrid[-32:32, -32:32]) < 20, 40, 200).astype(np.uint8))
    outline = augment_photo(disc, 64, rng(), only(outline=1))[0].astype(int)
    assert outline[32, 32] > 240
    assert outline[:4].mean() > 240
    assert outline.min() < 60


def test_crops_stay_inside_and_keep_their_part(gradient: Image.Image) -> None:
    widths = []
    for i in range(60):
        red, green, blue = augment_photo(gradient, 32, rng(i), only(crop=0.3)).astype(int)
        widths.append((red[16, -1] - red[16, 0]) * 60 / 255)
        assert blue.max() == 0  # nothing from outside, nothing padded
        assert green[-1, 16] > green[0, 16]
    assert min(widths) > 40 * (0.3 / 1.25) ** 0.5 - 4
    assert max(widths) < 40 * 1.25**0.5 + 2


@pytest.mark.parametrize("sketch", [Strokes(()), Bitmap.from_array(np.zeros((28, 28), np.uint8))])
def test_a_blank_sketch_is_an_error(sketch: Sketch) -> None:
    with pytest.raises(BlankSketchError):
        prepare_sketch(sketch, 32)
    with pytest.raises(BlankSketchError):
        augment_sketch(sketch, 32, rng(), AugmentConfig())


@pytest.mark.parametrize("options", [{"flip": 1.1}, {"crop": 0}, {"thickness": 0.5}, {"jitter": 1}, {"rotation": 3}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AugmentConfig.model_validate(options)


@pytest.mark.parametrize(
    ("size", "decoded"), [(64, (125, 100)), (128, (250, 200)), (224, (500, 400)), (400, (1000, 800))]
)
def test_a_jpeg_decoded_small_prepares_as_the_whole_one_does(size: int, decoded: tuple[int, int]) -> None:
    blobs = Image.effect_noise((50, 40), 90).resize((1000, 800), Image.Resampling.BICUBIC)
    grain = Image.blend(blobs, Image.effect_noise((1000, 800), 60), 0.3).convert("RGB")
    file = io.BytesIO()
    grain.save(file, "JPEG", quality=90)
    small, whole = (decode_image(file.getvalue(), draft_size=side) for side in (draft_side(size), None))
    assert small.size == decoded
    difference = prepare_photo(small, size).astype(float) - prepare_photo(whole, size)
    assert np.square(difference).mean() < 255**2 / 10**4.2  # 42 dB
