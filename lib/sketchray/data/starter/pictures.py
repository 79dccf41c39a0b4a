"""Which emoji pictures there are: each emoji in up to four drawings, without skin-tone and country-flag variants."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sketchray.data.starter.fetch import read_members
from sketchray.data.starter.fluent_names import fluent_stems
from sketchray.data.starter.packages import FLUENT, FLUENT_3D, OPENMOJI

STYLES = ("fluent-3d", "fluent-flat", "fluent-modern", "openmoji")

_VARIATION_SELECTOR = 0xFE0F
_LEFT_OUT_SUBGROUPS = {"country-flag", "subdivision-flag", "skin-tone", "hair-style"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One drawing of one emoji.

    Attributes:
        style: one of STYLES.
        code: its code points (`code_of`).
        data: the picture as its package has it, SVG or WebP.
    """

    style: str
    code: str
    data: bytes

    @property
    def stem(self) -> str:
        """File name without extension: ``<style>_<code>``."""
        return f"{self.style}_{self.code}"


def code_of(text: str) -> str:
    """Return code points in our one notation: lower-case hex of four digits or more, joined by ``-``, without U+FE0F.

    Packages differ in case, in leading zeros, and in whether they write the variation selector, which changes nothing
    about which emoji is meant.
    """
    points = [int(part, 16) for part in text.split("-")]
    return "-".join(f"{point:04x}" for point in points if point != _VARIATION_SELECTOR)


def read_pictures(tarballs: Mapping[str, Path]) -> tuple[list[Picture], dict[str, str]]:
    """Read all pictures out of the three emoji packages.

    Args:
        tarballs: npm package name -> its tarball.

    Returns:
        The pictures, sorted by code and style, and code -> English name.
    """
    openmoji = read_members(
        tarballs[OPENMOJI.name], lambda path: path.startswith("color/svg/") or path == "data/openmoji.json"
    )
    names = _emoji_names(json.loads(openmoji.pop("data/openmoji.json")))
    fluent = read_members(tarballs[FLUENT.name], lambda path: path.startswith(("icons/flat/", "icons/modern/")))
    solid = read_members(tarballs[FLUENT_3D.name], lambda path: path.startswith("assets/"))
    found = [
        *_by_code("openmoji", openmoji, names),
        *_by_code("fluent-3d", solid, names),
        *_by_name("flat", fluent, names),
        *_by_name("modern", fluent, names),
    ]
    return sorted(found, key=lambda picture: (picture.code, picture.style)), names


def _emoji_names(table: list[dict[str, Any]]) -> dict[str, str]:
    """Return code -> name of every Unicode emoji that is no variant (OpenMoji's own extras are no Unicode emoji)."""
    names = {}
    for row in table:
        extra = row["group"].startswith("extras")
        if not extra and not row["skintone"] and row["subgroups"] not in _LEFT_OUT_SUBGROUPS:
            names[code_of(row["hexcode"])] = row["annotation"]
    return dict(sorted(names.items()))


def _by_code(style: str, files: dict[str, bytes], names: dict[str, str]) -> Iterator[Picture]:
    by_code = {}
    for path, data in sorted(files.items()):
        try:
            by_code[code_of(Path(path).stem)] = data
        except ValueError:  # subdivision flags are named `1f3f4-e0067_e0062_...`
            continue
    return (Picture(style=style, code=code, data=by_code[code]) for code in names if code in by_code)


def _by_name(look: str, files: dict[str, bytes], names: dict[str, str]) -> Iterator[Picture]:
    for code, name in names.items():
        for stem in fluent_stems(name):
            data = files.get(f"icons/{look}/{stem}.svg")
            if data is not None:
                yield Picture(style=f"fluent-{look}", code=code, data=data)
                break
