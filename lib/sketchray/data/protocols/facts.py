"""What is known of each protocol beside its classes: sizes, and what papers report on it.

Measured counts are of the lists that SAKE and ZSE-SBIR publish; nominal ones are what papers print.
"""

from typing import NamedTuple

from sketchray.data.protocols.protocol import Gallery, KnownCount, KnownRange, Origin, Part
from sketchray.data.samples import Modality


class Facts(NamedTuple):
    """All of a `Protocol` that does not stand in its text files."""

    dataset: str
    metrics: tuple[str, ...]
    counts: tuple[KnownCount, ...]
    ranges: tuple[KnownRange, ...] = ()
    note: str = ""


def _sketches(part: Part, count: int, origin: Origin = "measured", *, rounded: bool = False) -> KnownCount:
    return KnownCount(modality="sketch", part=part, count=count, origin=origin, rounded=rounded)


def _photos(
    part: Part, count: int, origin: Origin = "measured", gallery: Gallery | None = None, *, rounded: bool = False
) -> KnownCount:
    return KnownCount(modality="photo", part=part, count=count, origin=origin, gallery=gallery, rounded=rounded)


def _each(modality: Modality, part: Part, low: int, high: int | None) -> KnownRange:
    return KnownRange(modality=modality, part=part, low=low, high=high, origin="measured")


_SKETCHY = (
    _sketches("all", 75_481),
    _sketches("all", 75_479, "reported"),  # IIAE issue 2: features in SEM-PCYC's form
    _sketches("all", 75_471, "nominal"),
    _photos("all", 73_002, gallery="dedup"),
    _photos("all", 85_502, gallery="listed"),  # 12,500 originals stand in SAKE's lists twice
)
_TUBERLIN = (_sketches("all", 20_000), _photos("all", 204_489, "nominal"))
_QUICKDRAW = (_sketches("all", 330_000, "nominal", rounded=True), _photos("all", 204_000, "nominal", rounded=True))

FACTS: dict[str, Facts] = {
    "sketchy-25-sake": Facts(
        "sketchy",
        ("map@all", "p@100"),
        (
            *_SKETCHY,
            _sketches("seen", 60_252),
            _sketches("val", 5_000),
            _sketches("unseen", 15_229),
            _photos("seen", 68_401, gallery="listed"),
            _photos("seen", 58_401, gallery="dedup"),
            _photos("unseen", 17_101, gallery="listed"),
            _photos("unseen", 14_601, gallery="dedup"),
        ),
        note="Papers print it in one column with SEM-PCYC's split 1, of which it shares four classes of 25. Some of "
        "its classes are ImageNet's.",
    ),
    "sketchy-25-sempcyc": Facts(
        "sketchy",
        ("map@all", "p@100"),
        (
            *_SKETCHY,
            _photos("seen", 58_376, "reported", "dedup"),  # IIAE issue 2
            _photos("seen", 68_376, "derived", "listed"),
            _photos("unseen", 14_626, "reported", "dedup"),
            _photos("unseen", 17_126, "derived", "listed"),
        ),
        note="Papers print it in one column with SAKE's split 1, of which it shares four classes of 25; its own line "
        "of work uses the gallery without repeats.",
    ),
    "sketchy-21": Facts(
        "sketchy",
        ("map@200", "p@200"),
        (
            *_SKETCHY,
            _sketches("seen", 62_787, "derived"),
            _sketches("val", 5_200, "derived"),
            _sketches("unseen", 12_694),
            _photos("seen", 72_949, gallery="listed"),
            _photos("seen", 62_549, "derived", "dedup"),
            _photos("unseen", 12_553, gallery="listed"),
            _photos("unseen", 10_453, gallery="dedup"),
        ),
        note="Published mAP@200 has two normalisers that differ by up to 0.2: min(200, positives) and hits.",
    ),
    "tuberlin-30-sake": Facts(
        "tuberlin",
        ("map@all", "p@100"),
        (
            *_TUBERLIN,
            _sketches("seen", 17_600),
            _sketches("val", 2_200),
            _sketches("unseen", 2_400),
            _photos("seen", 176_500, "derived"),
            _photos("unseen", 27_989),
        ),
        (_each("sketch", "all", 80, 80), _each("photo", "unseen", 401, None)),
    ),
    "tuberlin-30-sempcyc": Facts(
        "tuberlin",
        ("map@all", "p@100"),
        (*_TUBERLIN, _sketches("seen", 17_600, "derived"), _sketches("unseen", 2_400, "derived")),
        (_each("sketch", "all", 80, 80),),
    ),
    "quickdraw-30": Facts(
        "quickdraw",
        ("map@all", "p@200"),
        (*_QUICKDRAW, _sketches("unseen", 92_291), _photos("unseen", 54_151)),
        (_each("sketch", "unseen", 3_001, 5_262), _each("photo", "unseen", 1_304, 2_726)),
    ),
}
