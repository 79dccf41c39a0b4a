"""From untrusted bytes to a picture: the gate that every photo and every upload passes."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 50_000_000
MAX_BYTES = 32 * 2**20
SIXTEEN_TO_EIGHT = (np.arange(2**16) / 257).round().astype(np.uint8)


class ImageError(ValueError):
    """Bytes that are not a picture we take; the message is the reason, fit for the person who sent them."""


def decode_image(
    data: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    formats: Sequence[str] = FORMATS,
    draft_size: int | None = None,
) -> Image.Image:
    """Decode a picture, upright, with 8 bits a channel.

    The size is checked in the file's header, before any pixel is decoded or memory for pixels is taken. Of an animation
    the first frame is taken; EXIF orientation is applied; 16-bit grey is scaled to 8.

    Args:
        data: a file's whole content.
        max_pixels: largest width times height.
        max_bytes: largest file.
        formats: Pillow's names of the formats to try; no other decoder sees the bytes.
        draft_size: decode a JPEG at a fraction of its size (1/2, 1/4 or 1/8, in the cosine transform itself) that is
            still at least this many pixels on each side; other formats come whole.

    Returns:
        A picture in mode ``L``, ``LA``, ``RGB`` or ``RGBA``.

    Raises:
        ImageError: empty, too many bytes or pixels, not a picture of these formats, truncated or damaged.
    """
    if not data:
        raise ImageError("the file is empty")
    if len(data) > max_bytes:
        raise ImageError(f"the file has {len(data):,} bytes; the limit is {max_bytes:,}")
    image = _open(data, max_pixels, formats)
    try:
        if draft_size is not None:
            image.draft(None, (draft_size, draft_size))
        image.load()
        _check_size(image, max_pixels)  # a GIF's frame may be larger than its header says
        return _eight_bit(_upright(image))
    except ImageError:
        raise
    except Exception as error:  # decoders fail in every way there is
        raise ImageError(f"the {image.format} picture is truncated or damaged ({error})") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in mode ``RGB``, what is transparent in it on white."""
    if image.mode == "RGB":
        return image
    if not has_alpha(image):
        return _eight_bit(image).convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def has_alpha(image: Image.Image) -> bool:
    """Return whether the picture has a transparency channel, or a palette entry that stands for it."""
    return "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info


def _open(data: bytes, max_pixels: int, formats: Sequence[str]) -> Image.Image:
    try:
        image = Image.open(BytesIO(data), formats=tuple(formats))
    except Image.DecompressionBombError as error:  # Pillow's own limit, at 179 million pixels
        raise ImageError(f"the picture has too many pixels; the limit is {max_pixels:,}") from error
    except Exception as error:
        raise ImageError(f"not a picture of a known format ({', '.join(formats)}), or its header is damaged") from error
    _check_size(image, max_pixels)
    return image


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ImageError(
            f"the picture has {image.width} x {image.height} = {image.width * image.height:,} pixels; "
            f"the limit is {max_pixels:,}"
        )
    if not image.width or not image.height:
        raise ImageError(f"the picture is {image.width} x {image.height} pixels")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF: the picture itself is whole
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image.convert("RGBA") if "transparency" in image.info else image
    if image.mode == "I;16":  # which Pillow's convert would clip; by a table, as the largest pictures take much memory
        return Image.fromarray(SIXTEEN_TO_EIGHT[np.asarray(image)])
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))
    return image.convert("RGBA" if has_alpha(image) else "RGB")
