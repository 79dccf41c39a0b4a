"""The gate for pictures: what it takes, what it refuses with a reason, and that nothing else ever escapes."""

import contextlib
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from sketchray.data.images import FORMATS, ImageError, decode_image, to_rgb


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """Write a grey PNG whose header says what it likes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))
FILES = {kind: encoded(PICTURE, kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_taken(kind: str) -> None:
    image = decode_image(FILES[kind])
    assert image.size == (32, 24)
    assert to_rgb(image).mode == "RGB"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, world", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (encoded(PICTURE, "TIFF"), "not a picture"),
        (FILES["PNG"][:20], "header is damaged"),
        (FILES["PNG"][:-200], "truncated"),
        (FILES["JPEG"][:-200], "truncated"),
        (FILES["WEBP"][:-20], "header is damaged"),
        (png(8000, 8000), "64,000,000 pixels; the limit is 50,000,000"),
        (png(20_000, 20_000), "too many pixels"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(data)


def test_a_bomb_is_refused_before_any_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoding began"))
    for size in (8000, 20_000):
        with pytest.raises(ImageError, match="pixels; the limit is"):
            decode_image(png(size, size, b"\0" * 10_000_000))


def test_a_gif_frame_larger_than_its_header_says_is_refused() -> None:
    data = bytearray(encoded(Image.new("P", (4, 4)), "GIF"))
    size = data.rindex(b",") + 5
    data[size : size + 4] = struct.pack("<HH", 9000, 9000)
    with pytest.raises(ImageError, match="pixels"):
        decode_image(bytes(data))


def test_limits_are_the_callers() -> None:
    with pytest.raises(ImageError, match=r"32 x 24 = 768 pixels; the limit is 767"):
        decode_image(FILES["PNG"], max_pixels=767)
    assert decode_image(FILES["PNG"], max_pixels=768).size == (32, 24)
    with pytest.raises(ImageError, match="limit is 100"):
        decode_image(FILES["PNG"], max_bytes=100)
    with pytest.raises(ImageError, match="not a picture"):
        decode_image(FILES["PNG"], formats=("JPEG",))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (3, 3), 1), (255, 255, 255)),
        (Image.new("L", (3, 3), 70), (70, 70, 70)),
        (Image.new("LA", (3, 3), (0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (3, 3), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("RGB", (3, 3), (1, 2, 3)).quantize(4), (1, 2, 3)),
        (Image.fromarray(np.full((3, 3), 0x8000, np.uint16)), (128, 128, 128)),
        (Image.fromarray(np.full((3, 3), 0xFFFF, np.uint16)), (255, 255, 255)),
    ],
    ids=["1", "L", "LA", "RGBA", "palette", "grey16", "white16"],
)
def test_every_mode_becomes_rgb_on_white(image: Image.Image, expected: tuple[int, int, int]) -> None:
    assert to_rgb(decode_image(encoded(image))).getpixel((1, 1)) == expected


def test_a_transparent_palette_entry_is_white() -> None:
    image = Image.new("P", (3, 3), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    assert to_rgb(decode_image(encoded(image, transparency=0))).getpixel((1, 1)) == (255, 255, 255)
    assert to_rgb(decode_image(encoded(image, "GIF", transparency=0))).getpixel((1, 1)) == (255, 255, 255)


def test_cmyk_becomes_rgb() -> None:
    image = decode_image(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))
    pixel = to_rgb(image).getpixel((1, 1))
    assert isinstance(pixel, tuple)
    np.testing.assert_allclose(pixel, (0, 255, 255), atol=8)


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    assert decode_image(encoded(PICTURE, "JPEG", exif=exif)).size == (24, 32)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        pixel = to_rgb(decode_image(data)).getpixel((4, 4))
        assert isinstance(pixel, tuple)
        assert pixel[0] > 200
        assert pixel[2] < 60


def test_a_large_jpeg_is_decoded_small_where_that_is_enough() -> None:
    data = encoded(PICTURE.resize((800, 640)), "JPEG")
    assert decode_image(data, draft_size=150).size == (200, 160)
    assert decode_image(data, draft_size=2000).size == (800, 640)
    assert decode_image(FILES["PNG"], draft_size=4).size == (32, 24)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    keep=st.floats(0, 1),
)
def test_of_damaged_bytes_only_image_error_escapes(kind: str, changes: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(FILES[kind])
    for place, value in changes:
        data[int(place**3 * len(data))] = value  # cubed: more often in the header
    try:
        image = decode_image(bytes(data[: round(keep * len(data))]), max_pixels=1_000_000)
    except ImageError:
        return
    assert image.mode in ("L", "LA", "RGB", "RGBA")
    assert to_rgb(image).mode == "RGB"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"RIFF    WEBPVP8X"]),
    st.binary(),
)
def test_of_any_bytes_only_image_error_escapes(magic: bytes, rest: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode_image(magic + rest, max_pixels=1_000_000).width
