"""Which pictures are taken from the packages, and how they are rendered."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sketchray.data.starter.fluent_names import fluent_stems
from sketchray.data.starter.pictures import STYLES, code_of, read_pictures
from sketchray.data.starter.render import render_png


def test_every_emoji_comes_in_the_drawings_that_exist_of_it(tarballs: dict[str, Path]) -> None:
    pictures, names = read_pictures(tarballs)
    styles: dict[str, list[str]] = {}
    for picture in pictures:
        styles.setdefault(picture.code, []).append(picture.style)
    assert styles == {
        "0023-20e3": list(STYLES),
        "1f408": list(STYLES),
        "1f40c": list(STYLES),
        "1f431": ["fluent-flat", "fluent-modern", "openmoji"],
        "1f44b": ["fluent-flat", "fluent-modern", "openmoji"],
        "2708": ["fluent-3d", "openmoji"],
    }
    assert names == dict(
        sorted(
            {
                "1f408": "cat",
                "1f431": "cat face",
                "1f40c": "snail",
                "2708": "airplane",
                "0023-20e3": "keycap: #",
                "1f44b": "waving hand",
            }.items()
        )
    )


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("1F408", "1f408"),
        ("23-fe0f-20e3", "0023-20e3"),
        ("2708-FE0F", "2708"),
        ("1f9dc-200d-2640-fe0f", "1f9dc-200d-2640"),
    ],
)
def test_the_packages_notations_become_one(written: str, code: str) -> None:
    assert code_of(written) == code


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("person: red hair", "person-red-hair"),
        ("piñata", "pinata"),
        ("woman’s hat", "womans-hat"),
        ("mermaid", "woman-merpeople"),
        ("black & white", "black-and-white"),
    ],
)
def test_fluent_file_names(name: str, stem: str) -> None:
    assert fluent_stems(name) == (stem, f"{stem}-default")


def _pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.mode == "RGB"
        return np.asarray(image)


def test_transparency_becomes_white_and_colours_stay() -> None:
    source = io.BytesIO()
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste((200, 10, 30, 255), (10, 10, 30, 30))
    picture.save(source, "WEBP", lossless=True)
    pixels = _pixels(render_png(source.getvalue(), 40))
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert tuple(pixels[20, 20]) == (200, 10, 30)


@pytest.mark.parametrize("box", ["0 0 40 20", "0 0 20 40"])
def test_a_drawing_that_is_not_square_is_padded_and_keeps_its_shape(box: str) -> None:
    data = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><circle cx="10" cy="10" r="10"/></svg>'.encode()
    ink = _pixels(render_png(data, 80)).min(axis=2) < 128
    assert ink.shape == (80, 80)
    height, width = np.ptp(np.flatnonzero(ink.any(1))), np.ptp(np.flatnonzero(ink.any(0)))
    assert abs(int(height) - int(width)) <= 1
