"""From a sketch or photo to the square picture an encoder takes: the plain preparation, and the training augmentation.

Everything returns uint8 (3, size, size); encoders normalise for themselves. All randomness comes from the generator
that the caller hands in. A photo is covered by the largest centred square and that is resized: the aspect is kept and
nothing is padded, so what lies outside the square of an oblong photo is not seen.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps
from pydantic import Field

from sketchray.config import Config
from sketchray.data.images import to_rgb
from sketchray.data.raster import LINE_WIDTH, Sketch, Strokes, canonical, coarsen, rasterise

Picture = NDArray[np.uint8]
LOW_RESOLUTION = 28  # Quick, Draw!'s bitmaps
LOW_RESOLUTION_LINE = (0.9, 1.6)  # their line width, pixels
LEAST_KEPT = 0.6  # of a drawing's length, whatever strokes are dropped
BICUBIC = Image.Resampling.BICUBIC
MARGIN = 1.5  # how much larger than wanted a JPEG's own smaller decoding must be


class AugmentConfig(Config):
    """Training augmentation of both modalities. Probabilities are 0 to 1; 0 switches a thing off.

    Attributes:
        flip: probability of a mirror image, sketches and photos.
        rotate: largest rotation of a sketch, degrees either way.
        stretch: largest change of a sketch's aspect: 0.2 is up to 1.2 times wider or higher.
        shear: largest shear of a sketch.
        stroke_dropout: probability that a stroke is left out (never more than 40 % of the drawing's length).
        thickness: largest factor by which lines get thicker or thinner.
        degrade: probability that a sketch goes through 28 x 28 pixels first, so that vector and bitmap drawings meet.
        crop: least part of a photo's square area that a random crop keeps.
        jitter: largest relative change of a photo's brightness, contrast and colour.
        grey: probability that a photo loses its colours.
        outline: probability that a photo becomes a drawing of its edges, half-way to a sketch.
    """

    flip: float = Field(default=0.5, ge=0, le=1)
    rotate: float = Field(default=15.0, ge=0, le=180)
    stretch: float = Field(default=0.2, ge=0, le=1)
    shear: float = Field(default=0.15, ge=0, le=1)
    stroke_dropout: float = Field(default=0.1, ge=0, le=1)
    thickness: float = Field(default=1.6, ge=1, le=4)
    degrade: float = Field(default=0.3, ge=0, le=1)
    crop: float = Field(default=0.6, gt=0, le=1)
    jitter: float = Field(default=0.3, ge=0, lt=1)
    grey: float = Field(default=0.2, ge=0, le=1)
    outline: float = Field(default=0.1, ge=0, le=1)


def prepare_sketch(sketch: Sketch, size: int) -> Picture:
    """Return the canonical raster of a sketch as three equal channels, uint8 (3, size, size).

    Raises:
        BlankSketchError: there is no ink.
    """
    return _three_channels(rasterise(canonical(sketch), size))


def prepare_photo(image: Image.Image, size: int) -> Picture:
    """Return the photo's largest centred square at this size, uint8 (3, size, size) in RGB, transparency on white."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return channels_first(square(image, size, (left, top, side, side)))


def draft_side(size: int) -> int:
    """Return the least side, pixels, of a photo that `prepare_photo` brings to this size as well as the whole one.

    A JPEG decoded at 1/2, 1/4 or 1/8 in its cosine transform is filtered otherwise than by resizing. With both sides at
    least 1.5 times what is wanted the prepared picture differs by 42 dB (peak signal to noise) or more; with no margin,
    by 36 dB.
    """
    return math.ceil(MARGIN * size)


def augment_sketch(sketch: Sketch, size: int, rng: np.random.Generator, config: AugmentConfig) -> Picture:
    """Return one random variant of a sketch, uint8 (3, size, size), black on white, cropped and centred as always.

    Raises:
        BlankSketchError: there is no ink.
    """
    strokes = _drop_strokes(sketch.strokes, rng, config.stroke_dropout)
    matrix_22 = _random_affine(rng, config)
    strokes = Strokes(tuple(line @ matrix_22.T for line in strokes.lines))
    if rng.random() < config.degrade:
        strokes = coarsen(strokes, LOW_RESOLUTION, line_width=rng.uniform(*LOW_RESOLUTION_LINE))
    elif isinstance(sketch, Strokes):
        strokes = canonical(strokes)
    thickness = math.exp(rng.uniform(-1, 1) * math.log(config.thickness))
    return _three_channels(rasterise(strokes, size, line_width=LINE_WIDTH * thickness))


def augment_photo(image: Image.Image, size: int, rng: np.random.Generator, config: AugmentConfig) -> Picture:
    """Return one random variant of a photo, uint8 (3, size, size): a crop, perhaps mirrored, its colours changed."""
    view = square(image, size, random_box(image, rng, config.crop))
    if rng.random() < config.flip:
        view = ImageOps.mirror(view)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        view = enhance(view).enhance(1 + rng.uniform(-config.jitter, config.jitter))
    style = rng.random(2)
    if style[0] < config.grey:
        view = ImageOps.grayscale(view).convert("RGB")
    if style[1] < config.outline:
        view = outline(view)
    return channels_first(view)


def _drop_strokes(strokes: Strokes, rng: np.random.Generator, probability: float) -> Strokes:
    lengths = np.array([np.hypot(*np.diff(line, axis=0).T).sum() for line in strokes.lines])
    kept = rng.random(len(lengths)) >= probability
    if not kept.any() or lengths[kept].sum() < LEAST_KEPT * lengths.sum():
        return strokes
    return Strokes(tuple(line for line, keep in zip(strokes.lines, kept, strict=True) if keep))


def _random_affine(rng: np.random.Generator, config: AugmentConfig) -> NDArray[np.float64]:
    angle = math.radians(rng.uniform(-config.rotate, config.rotate))
    stretch = math.exp(rng.uniform(-1, 1) * math.log1p(config.stretch) / 2)
    mirror = -1.0 if rng.random() < config.flip else 1.0
    shear = rng.uniform(-config.shear, config.shear)
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix_22: NDArray[np.float64] = rotation @ np.array([[mirror * stretch, shear], [0.0, 1 / stretch]])
    return matrix_22


def random_box(
    image: Image.Image, rng: np.random.Generator, least: float, most: float = 1.0
) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a crop within the image: part of the square's area, aspect 4:5 to 5:4."""
    area = rng.uniform(least, most) * min(image.size) ** 2
    aspect = math.exp(rng.uniform(-1, 1) * math.log(1.25))
    width = min(image.width, math.sqrt(area * aspect))
    height = min(image.height, math.sqrt(area / aspect))
    left, top = rng.random(2) * (image.width - width, image.height - height)
    return float(left), float(top), width, height


def square(image: Image.Image, size: int, crop: tuple[float, float, float, float]) -> Image.Image:
    """Return a crop (left, top, width, height) of an image in RGB, resized to a square."""
    left, top, width, height = crop
    box = (left, top, min(left + width, image.width), min(top + height, image.height))
    return to_rgb(image).resize((size, size), BICUBIC, box=box, reducing_gap=3.0)


def outline(image: Image.Image) -> Image.Image:
    """Return dark edges on white: how much the lightness changes around each pixel, stretched to full contrast."""
    grey = ImageOps.grayscale(image).filter(ImageFilter.GaussianBlur(1))
    change = ImageChops.subtract(grey.filter(ImageFilter.MaxFilter(3)), grey.filter(ImageFilter.MinFilter(3)))
    return ImageOps.invert(ImageOps.autocontrast(change, cutoff=(5, 2))).convert("RGB")


def _three_channels(picture_HW: Picture) -> Picture:
    return np.repeat(picture_HW[None], 3, axis=0)


def channels_first(image: Image.Image) -> Picture:
    """Return an RGB image as uint8 (3, H, W)."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
