"""Multi-crop views: shapes, what each option does, and that the generator alone decides."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from sketchray.data.multicrop import MultiCropConfig, crop_photo, crop_sketch
from sketchray.data.order import sample_rng
from sketchray.data.raster import BlankSketchError, Strokes

OFF = {
    "flip": 0,
    "blur_radius": (4, 4),
    "jitter_probability": 0,
    "grey": 0,
    "blur": (0, 0, 0),
    "solarise": 0,
    "local_size": 32,
}
Views = tuple[np.ndarray, np.ndarray]


def only(**options: object) -> MultiCropConfig:
    return MultiCropConfig.model_validate({**OFF, **options})


def gradient(width: int = 60, height: int = 40) -> Image.Image:
    """A photo whose red grows to the right and whose green grows downwards."""
    array = np.zeros((height, width, 3), np.uint8)
    array[..., 0] = np.linspace(0, 255, width)
    array[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(array)


@pytest.fixture
def crop(house: Strokes) -> Callable[..., Views]:
    """Crop the house or the gradient with a step's generator."""

    def run(modality: str, config: MultiCropConfig, step: int = 0, size: int = 64) -> Views:
        rng = sample_rng(0, step, "sample")
        return (
            crop_sketch(house, size, rng, config) if modality == "sketch" else crop_photo(gradient(), size, rng, config)
        )

    return run


@pytest.mark.parametrize("modality", ["sketch", "photo"])
@pytest.mark.parametrize(("large", "small"), [(2, 8), (3, 1), (2, 0)])
def test_views_are_uint8_of_their_sizes(crop: Callable[..., Views], modality: str, large: int, small: int) -> None:
    views = crop(modality, MultiCropConfig(global_crops=large, local_crops=small, local_size=32))
    assert [v.shape for v in views] == [(large, 3, 64, 64), (small, 3, 32, 32)]
    assert [v.dtype for v in views] == [np.uint8, np.uint8]
    assert all(v.flags.c_contiguous for v in views)


@settings(max_examples=15, deadline=None)
@given(step=st.integers(0, 10**6), width=st.integers(1, 90), height=st.integers(1, 90))
def test_the_generator_alone_decides_and_any_photo_can_be_cropped(step: int, width: int, height: int) -> None:
    config, photo = MultiCropConfig(local_crops=2, local_size=16, outline=0.3), gradient(width, height)
    first, again = (crop_photo(photo, 32, sample_rng(0, step, "a"), config) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_sketches_too_and_steps_and_views_differ(crop: Callable[..., Views]) -> None:
    for modality in ("sketch", "photo"):
        first, again, other = (crop(modality, MultiCropConfig(local_size=32), step) for step in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert (first[0] != other[0]).any()
        assert len({view.tobytes() for view in first[1]}) == 8


def test_scales_are_the_parts_of_the_area_that_views_show(crop: Callable[..., Views]) -> None:
    config = only(global_scale=(0.7, 0.8), local_scale=(0.2, 0.3))
    for views, (low, high) in zip(crop("photo", config), ((0.7, 0.8), (0.2, 0.3)), strict=True):
        for red, green, _ in views.astype(float):
            width = np.ptp(red[len(red) // 2]) / 255 * 60
            height = np.ptp(green[:, 0]) / 255 * 40
            assert low * 0.85 < width * height / 40**2 < high * 1.15


def test_a_sketchs_views_have_ink_and_lines_grow_with_the_crop(crop: Callable[..., Views]) -> None:
    for step in range(10):
        large, small = crop("sketch", only(local_scale=(0.2, 0.2), local_crops=4, global_scale=(1, 1)), step)
        assert all((view < 160).any() for view in (*large, *small))
        assert set(np.unique(large[0] == large[0][0])) == {True}  # three equal channels
    level = Strokes.from_json([[[0, 100], [50, 50]]])
    config = only(global_scale=(1, 1), local_scale=(0.25, 0.25), local_size=64)
    large, small = crop_sketch(level, 64, sample_rng(0, 0, "a"), config)
    thick = [np.median((1 - view[0] / 255).sum(0).max()) for view in (large[0], *small)]
    assert all(1.6 < local / thick[0] < 2.5 for local in thick[1:])  # twice, up to the crop's aspect


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"blur": (1, 0, 0)}, {0}),
        ({"blur": (0, 1, 0)}, {1, 2}),
        ({"blur": (0, 0, 1)}, {3, 4}),
        ({"solarise": 1}, {1, 2}),
    ],
)
def test_blur_and_solarisation_have_their_places(options: dict[str, object], changed: set[int]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    config = only(
        global_crops=3, local_crops=2, local_size=32, global_scale=(1, 1), local_scale=(0.25, 0.25), **options
    )
    views = [view for size in crop_photo(noise, 64, sample_rng(0, 0, "a"), config) for view in size.astype(float)]
    different = [view.max() < 140 if "solarise" in options else view.std() < 50 for view in views]
    assert {place for place, is_so in enumerate(different) if is_so} == changed


def test_grey_flip_hue_and_outline(crop: Callable[..., Views]) -> None:
    red, green, blue = crop("photo", only(grey=1))[0][0]
    np.testing.assert_array_equal(red, green)
    np.testing.assert_array_equal(red, blue)
    assert crop("photo", only(flip=1))[0][0, 0, 32, 0] > crop("photo", only(flip=1))[0][0, 0, 32, -1]
    hues = [crop("photo", only(jitter_probability=1, jitter=(0, 0, 0, 0.5)), step)[0][0, 2].max() for step in range(6)]
    assert max(hues) > 100  # a picture without blue got some
    outlined = crop("photo", only(outline=1))[0][0]
    np.testing.assert_array_equal(outlined[0], outlined[2])
    assert set(crop("sketch", only(outline=1))[0][0].ravel().tolist()) == set(
        crop("sketch", only())[0][0].ravel().tolist()
    )


def test_a_blank_sketch_is_an_error() -> None:
    with pytest.raises(BlankSketchError):
        crop_sketch(Strokes(()), 32, sample_rng(0, 0, "a"), MultiCropConfig())


@pytest.mark.parametrize(
    "options",
    [
        {"global_crops": 1}, {"local_scale": (0, 0.5)}, {"global_scale": (0.9, 0.6)}, {"blur": (0, 2, 0)},
        {"blur_radius": (2, 1)}, {"jitter": (1, 0, 0, 0)}, {"jitter": (0, 0, 0, 0.6)}, {"flips": 1},
    ],
)  # fmt: skip
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MultiCropConfig.model_validate(options)
