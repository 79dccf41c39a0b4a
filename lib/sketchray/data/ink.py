"""Finding the ink in a picture of unknown make: drawn dark on light, light on dark, on nothing, or photographed.

What the border shows is taken for the ground. Its shading (a lamp beside the sheet, a shadow) is fitted by a quadratic
surface and divided out, and ink is what then differs from it by more than the picture's own noise.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sketchray.data.images import has_alpha, to_rgb

WORK = 384  # longest side while looking for ink, pixels
FIT = 96  # the ground is fitted to about this many pixels a side
LEAST_CONTRAST = 0.08  # of full scale; paler than this is no drawing
NOISE = 6.0  # standard deviations of the ground that ink must exceed
PLAIN = 50  # of 255: spread of grey values below which visible pixels are one colour

Grey = NDArray[np.float64]


def ink_of(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return the picture's ink, uint8 (H, W) with 255 where it is full, or None if nothing stands out.

    Args:
        image: any mode; it is reduced to at most 384 pixels on its longest side.
    """
    image = _reduced(image)
    alpha_HW = _alpha(image)
    if alpha_HW is not None:
        densest = float(alpha_HW.max())
        if densest < LEAST_CONTRAST:
            return None
        visible = np.asarray(image.convert("RGB").convert("L"))[alpha_HW > 0.5 * densest]
        if np.ptp(np.percentile(visible, [5, 95])) < PLAIN:  # one colour on nothing, be it white: the shape is the ink
            return _as_ink(alpha_HW / densest)
    grey_HW = _grey(to_rgb(image))
    ground_HW = _ground(grey_HW)
    change_HW = ground_HW - grey_HW
    if -change_HW.min() > change_HW.max():  # what stands out is lighter than the ground
        change_HW = -change_HW
    noise = 1.4826 * float(np.median(np.abs(change_HW)))
    contrast = float(change_HW.max())
    if contrast < max(LEAST_CONTRAST, NOISE * noise):
        return None
    floor = min(NOISE * noise, 0.5 * contrast)
    return _as_ink((change_HW - 0.5 * floor) / (0.75 * contrast))


def _reduced(image: Image.Image) -> Image.Image:
    scale = WORK / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if has_alpha(image):
        image = image.convert("RGBA")  # Pillow weighs colours by alpha when it resizes this mode
    return image.resize(size, Image.Resampling.BOX, reducing_gap=4.0)


def _alpha(image: Image.Image) -> Grey | None:
    if not has_alpha(image):
        return None
    alpha_HW = np.asarray(image.convert("RGBA").getchannel("A"), dtype=np.float64) / 255
    return alpha_HW if alpha_HW.min() < 0.5 else None


def _grey(image: Image.Image) -> Grey:
    """Return light from 0 to 1, with single odd pixels (a camera's noise) removed from a large picture."""
    image = image.convert("L")
    if min(image.size) >= 128:
        image = image.filter(ImageFilter.GaussianBlur(0.7))
    return np.asarray(image, dtype=np.float64) / 255


def _ground(grey_HW: Grey) -> Grey:
    """Fit the ground's light as a quadratic surface: to the border first, then to all that agrees with the fit."""
    y_H1, x_W = (np.linspace(-1, 1, side) for side in grey_HW.shape)
    y_H1 = y_H1[:, None]
    stride = max(1, max(grey_HW.shape) // FIT)
    light_P, terms_PT = grey_HW[::stride, ::stride].ravel(), _surface_terms(y_H1[::stride], x_W[::stride])
    border_P = np.abs(terms_PT[:, 1:3]).max(1) > 0.9
    fitted_P = np.full_like(light_P, float(np.median(light_P[border_P])))
    surface_T = np.zeros(6)
    surface_T[0] = fitted_P[0]
    for tolerance in (0.25, 0.15, 0.1):
        agree_P = np.abs(light_P - fitted_P) < tolerance
        if agree_P.mean() < 0.05:
            break
        surface_T[:] = np.linalg.lstsq(terms_PT[agree_P], light_P[agree_P], rcond=None)[0]
        fitted_P = terms_PT @ surface_T
    ground_HW: Grey = (_surface_terms(y_H1, x_W) @ surface_T).reshape(grey_HW.shape)
    return ground_HW


def _surface_terms(y_H1: Grey, x_W: Grey) -> Grey:
    """Return 1, x, y, x^2, xy, y^2 of every pixel, (H * W, 6)."""
    x_HW, y_HW = np.broadcast_arrays(x_W, y_H1)
    terms = [np.ones_like(x_HW), x_HW, y_HW, x_HW * x_HW, x_HW * y_HW, y_HW * y_HW]
    return np.stack(terms, axis=-1).reshape(-1, 6)


def _as_ink(values_HW: Grey) -> NDArray[np.uint8]:
    return (np.clip(values_HW, 0, 1) * 255).round().astype(np.uint8)
