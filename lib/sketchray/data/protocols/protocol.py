"""A protocol: which classes are unseen, what is known of the sizes, what the papers that use it report."""

from functools import cached_property
from typing import Literal

from sketchray.config import Config
from sketchray.data.protocols.names import normalise
from sketchray.data.samples import Modality

Part = Literal["all", "seen", "val", "unseen"]
Gallery = Literal["listed", "dedup"]
Origin = Literal["measured", "reported", "derived", "nominal"]


class KnownCount(Config):
    """How many sketches or photos a part of a dataset has.

    Attributes:
        modality: ``sketch`` or ``photo``.
        part: ``all`` classes, ``seen``, ``unseen``, or ``val``: the seen classes' sketches that the lists hold out.
        count: rows.
        origin: ``measured`` (counted in the published lists), ``reported`` (by users of the released code),
            ``derived`` (a sum or difference of those) or ``nominal`` (what papers print).
        gallery: which gallery it counts: ``listed`` (Sketchy's originals twice) or ``dedup``; None where they are one.
        rounded: a round number, met by any count within a twentieth of it.
    """

    modality: Modality
    part: Part
    count: int
    origin: Origin
    gallery: Gallery | None = None
    rounded: bool = False


class KnownRange(Config):
    """How many rows every class of a part has: at least `low`, at most `high` (None: not known)."""

    modality: Modality
    part: Part
    low: int
    high: int | None
    origin: Origin


class Protocol(Config):
    """One published zero-shot split of one dataset.

    Attributes:
        name: as ``sketchy-25-sake``.
        dataset: the reader that reads it: ``sketchy``, ``tuberlin`` or ``quickdraw``.
        unseen: the unseen classes, spelled and ordered as published.
        seen: every other class of the dataset.
        source: where the list is published.
        counts: known sizes; several for one part where sources differ.
        ranges: known sizes of single classes.
        metrics: what papers report on it, as names without their variants.
        note: what a reader of a table should know about it.
    """

    name: str
    dataset: str
    unseen: tuple[str, ...]
    seen: tuple[str, ...]
    source: str
    counts: tuple[KnownCount, ...]
    ranges: tuple[KnownRange, ...] = ()
    metrics: tuple[str, ...]
    note: str = ""

    @property
    def n_classes(self) -> int:
        """Seen and unseen classes together."""
        return len(self.seen) + len(self.unseen)

    @cached_property
    def unseen_words(self) -> frozenset[str]:
        """The unseen classes' normalised names, as the readers' ``class_name`` has them."""
        return frozenset(normalise(name) for name in self.unseen)

    def known(self, modality: Modality, part: Part, gallery: Gallery | None = None) -> tuple[KnownCount, ...]:
        """Return what is known of a part: counts of this gallery and those that do not depend on it."""
        return tuple(
            count
            for count in self.counts
            if (count.modality, count.part) == (modality, part) and count.gallery in (None, gallery)
        )
