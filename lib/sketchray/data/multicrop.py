"""DINO's multi-crop: several large and many small random views of one sketch or photo.

All randomness comes from the generator that the caller hands in. Views are uint8; encoders normalise for themselves. A
sketch is drawn once, larger than any view, and cropped: so a crop of a drawing shows lines as broad as a crop of a
picture of it would.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from pydantic import Field, model_validator

from sketchray.config import Config
from sketchray.data.raster import Sketch, canonical, rasterise
from sketchray.data.transforms import Picture, channels_first, outline, random_box, square

BOXES = 6  # tries for a crop of a sketch that has ink in it
LEAST_INK = 16  # pixels of the drawing that a view must show
BLUR_SIZE = 224  # side of the pictures that blur radii are stated for

Range = tuple[float, float]
View = Callable[[int, Range, int], Picture]


class MultiCropConfig(Config):
    """Views of each sample: DINO's numbers, which AMA's released code uses for both modalities.

    Attributes:
        global_crops: views at the encoder's own size.
        local_crops: small views; 0 for none.
        global_scale: part of the picture's square area in a global view, from and to.
        local_scale: the same of a local view.
        local_size: side of a local view, pixels.
        flip: probability of a mirror image.
        jitter: largest relative change of brightness, contrast and saturation, and largest turn of the hue (of 1).
        jitter_probability: that a view is jittered at all.
        grey: probability that a view loses its colours.
        blur: probabilities of a blur, in the first global view, the other global ones, and local ones.
        blur_radius: from and to, pixels of a picture of 224.
        solarise: probability that light pixels are inverted, in every global view but the first.
        outline: probability that a view of a photo becomes a drawing of its edges. Not DINO's: it shows the network one
            picture as photo and as drawing, which is what small runs from photo backbones need.
    """

    global_crops: int = Field(default=2, ge=2)
    local_crops: int = Field(default=8, ge=0)
    global_scale: Range = (0.6, 1.0)
    local_scale: Range = (0.2, 0.6)
    local_size: int = Field(default=96, ge=16)
    flip: float = Field(default=0.5, ge=0, le=1)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    jitter_probability: float = Field(default=0.8, ge=0, le=1)
    grey: float = Field(default=0.2, ge=0, le=1)
    blur: tuple[float, float, float] = (1.0, 0.1, 0.5)
    blur_radius: Range = (0.1, 2.0)
    solarise: float = Field(default=0.2, ge=0, le=1)
    outline: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ranges(self) -> "MultiCropConfig":
        for name in ("global_scale", "local_scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name}: {low} to {high} is not a range within 0 to 1")
        if not 0 <= self.blur_radius[0] <= self.blur_radius[1]:
            raise ValueError(f"blur_radius: {self.blur_radius[0]} to {self.blur_radius[1]} is not a range")
        if not all(0 <= p <= 1 for p in self.blur):
            raise ValueError(f"blur: probabilities lie within 0 to 1, not {self.blur}")
        if not all(0 <= change < 1 for change in self.jitter[:3]) or not 0 <= self.jitter[3] <= 0.5:
            raise ValueError(f"jitter: changes lie below 1, the hue's at most at 0.5, not {self.jitter}")
        return self


def crop_photo(
    image: Image.Image, size: int, rng: np.random.Generator, config: MultiCropConfig
) -> tuple[Picture, Picture]:
    """Return random views of a photo.

    Args:
        image: the photo.
        size: side of a global view, pixels.
        rng: source of all randomness.
        config: how many views, and how they vary.

    Returns:
        globals: uint8 (Vg, 3, size, size).
        locals: uint8 (Vl, 3, s, s), s the configured local size.
    """

    def view(view_size: int, scale: Range, place: int) -> Picture:
        crop = square(image, view_size, random_box(image, rng, *scale))
        if rng.random() < config.outline:
            crop = outline(crop)
        return _varied(crop, size, place, rng, config)

    return _views(view, size, config)


def crop_sketch(
    sketch: Sketch, size: int, rng: np.random.Generator, config: MultiCropConfig
) -> tuple[Picture, Picture]:
    """Return random views of a sketch's canonical raster, black on white; arguments and result as `crop_photo`.

    A view of bare paper teaches nothing, so boxes are drawn again, a few times, until one has ink in it.

    Raises:
        BlankSketchError: there is no ink.
    """
    local = config.local_size / math.sqrt(config.local_scale[0]) if config.local_crops else 0
    side = math.ceil(max(size / math.sqrt(config.global_scale[0]), local))
    drawn_HW = rasterise(canonical(sketch), side)
    image = Image.fromarray(drawn_HW).convert("RGB")

    def view(view_size: int, scale: Range, place: int) -> Picture:
        for _ in range(BOXES):
            box = random_box(image, rng, *scale)
            left, top, width, height = map(round, box)
            if np.count_nonzero(drawn_HW[top : top + height, left : left + width] < 128) >= LEAST_INK:
                break
        return _varied(square(image, view_size, box), size, place, rng, config)

    return _views(view, size, config)


def _views(view: View, size: int, config: MultiCropConfig) -> tuple[Picture, Picture]:
    large = [view(size, config.global_scale, min(place, 1)) for place in range(config.global_crops)]
    small = [view(config.local_size, config.local_scale, 2) for _ in range(config.local_crops)]
    empty = np.empty((0, 3, config.local_size, config.local_size), np.uint8)
    return np.stack(large), np.stack(small) if small else empty


def _varied(view: Image.Image, size: int, place: int, rng: np.random.Generator, config: MultiCropConfig) -> Picture:
    """Mirror a view and change its colours; place 0 is the first global view, 1 another global, 2 a local one."""
    if rng.random() < config.flip:
        view = ImageOps.mirror(view)
    if rng.random() < config.jitter_probability:
        view = _jitter(view, rng, config.jitter)
    if rng.random() < config.grey:
        view = ImageOps.grayscale(view).convert("RGB")
    if rng.random() < config.blur[place]:
        view = view.filter(ImageFilter.GaussianBlur(rng.uniform(*config.blur_radius) * size / BLUR_SIZE))
    if place == 1 and rng.random() < config.solarise:
        view = ImageOps.solarize(view)
    return channels_first(view)


def _jitter(view: Image.Image, rng: np.random.Generator, most: tuple[float, float, float, float]) -> Image.Image:
    for change in rng.permutation(4):
        amount = rng.uniform(-most[change], most[change])
        if change < 3:
            enhance = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[change]
            view = enhance(view).enhance(1 + amount)
        elif round(amount * 255) % 256:
            hue, *rest = view.convert("HSV").split()
            turn = round(amount * 255)
            view = Image.merge("HSV", (hue.point([(h + turn) % 256 for h in range(256)]), *rest)).convert("RGB")
    return view
