"""Miniature copies of the four packages: the same layout, a few pictures and drawings of our own."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sketchray.data.starter.packages import FLUENT, FLUENT_3D, OPENMOJI, QUICKDRAW

EMOJI = [  # hexcode as OpenMoji writes it, name, group, subgroup, skin tone
    ("1F408", "cat", "animals-nature", "animal-mammal", ""),
    ("1F431", "cat face", "animals-nature", "animal-mammal", ""),
    ("1F40C", "snail", "animals-nature", "animal-bug", ""),
    ("2708", "airplane", "travel-places", "transport-air", ""),
    ("0023-FE0F-20E3", "keycap: #", "symbols", "keycap", ""),
    ("1F44B", "waving hand", "people-body", "hand-fingers-open", ""),
    ("1F44B-1F3FB", "waving hand: light skin tone", "people-body", "hand-fingers-open", 1),
    ("1F1E8-1F1ED", "flag: Switzerland", "flags", "country-flag", ""),
    ("E000", "a brand", "extras-openmoji", "brand", ""),
]


def svg(colour: str) -> bytes:
    circle = f'<circle cx="16" cy="16" r="9" fill="{colour}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{circle}</svg>'.encode()


def webp(colour: str) -> bytes:
    out = io.BytesIO()
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    picture.paste(Image.new("RGBA", (20, 20), colour), (22, 22))
    picture.save(out, "WEBP", lossless=True)
    return out.getvalue()


def drawings(rows: int) -> bytes:
    """Rows of 784 numbers, ink in the upper left as the package has it; a blank one at the end."""
    made = []
    for row in range(rows):
        image = np.zeros((28, 28))
        image[: 6 + row, : 10 + row] = 1.0
        made.append(image.ravel().tolist())
    made.append([0.0] * 784)
    return gzip.compress("\n".join(json.dumps(row) for row in made).encode())


@pytest.fixture
def make_tarball(tmp_path: Path) -> Callable[[str, Mapping[str, bytes]], Path]:
    """Return a function that packs files as npm does: gzip, every member below ``package/``."""

    def make(name: str, files: Mapping[str, bytes]) -> Path:
        path = tmp_path / f"{name}.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for member, data in files.items():
                info = tarfile.TarInfo(f"package/{member}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture
def tarballs(make_tarball: Callable[[str, Mapping[str, bytes]], Path]) -> dict[str, Path]:
    """Return npm name -> miniature tarball."""
    columns = ("hexcode", "annotation", "group", "subgroups", "skintone")
    table = [dict(zip(columns, row, strict=True)) for row in EMOJI]
    looks = ("cat", "cat-face", "snail", "keycap-hashtag", "waving-hand-default", "waving-hand-light")
    colours = {"flat": "red", "modern": "blue", "high-contrast": "black"}
    return {
        OPENMOJI.name: make_tarball(
            "openmoji",
            {
                **{f"color/svg/{row[0]}.svg": svg("green") for row in EMOJI},
                "data/openmoji.json": json.dumps(table).encode(),
                "black/svg/1F408.svg": b"not wanted",
            },
        ),
        FLUENT.name: make_tarball(
            "fluent", {f"icons/{look}/{stem}.svg": svg(c) for look, c in colours.items() for stem in looks}
        ),
        FLUENT_3D.name: make_tarball(
            "fluent-3d",
            {
                f"assets/{stem}.webp": webp("purple")
                for stem in ("1f408", "1f40c", "2708-fe0f", "23-fe0f-20e3", "1f44b-1f3fb", "1f3f4-e0067_e0062")
            },
        ),
        QUICKDRAW.name: make_tarball(
            "quickdraw", {f"src/drawings/{word}.ndjson.gz": drawings(5) for word in ("cat", "snail", "alarm clock")}
        ),
    }
