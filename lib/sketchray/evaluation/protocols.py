"""Hold features against a published protocol: its classes, its gallery, and what papers report on it."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sketchray.data.protocols import Protocol, normalise
from sketchray.data.samples import Modality

# Of each metric that papers report, the variants that they may mean by it (methods differ by the line of work).
VARIANTS = {"map@all": ("voc", "plain"), "p": ("k",), "map": ("voc", "min", "hits")}
GALLERIES = {"listed": "the published list, with its repeats", "dedup": "without repeats"}

Classes = Sequence[str | None]


class Checked(NamedTuple):
    """What the comparison came to.

    Attributes:
        query_classes, gallery_classes: spelled as the protocol spells them where it knows them.
        facts: which protocol it is and which of its known sizes were met, by name.
        warnings: what differs.
    """

    query_classes: list[str | None]
    gallery_classes: list[str | None]
    facts: dict[str, str]
    warnings: tuple[str, ...]


def check_protocol(protocol: Protocol, query_classes: Classes, gallery_classes: Classes) -> Checked:
    """Compare the classes and the sizes of features with a protocol; spelling does not matter (``normalise``).

    Args:
        protocol: from `sketchray.data.protocols.get_protocol`.
        query_classes, gallery_classes: of every row; None in the gallery is a distractor.

    Raises:
        ValueError: a query is of a class that is not unseen in this protocol; all such classes are named.
    """
    spelling = {normalise(name): name for name in protocol.unseen}
    queries, gallery = (_respelled(names, spelling) for names in (query_classes, gallery_classes))
    asked, held = Counter(queries), Counter(gallery)
    foreign = sorted(name for name in asked if name is not None and name not in protocol.unseen)
    if foreign:
        raise ValueError(
            f"{len(foreign)} query classes are not among the {len(protocol.unseen)} unseen ones of {protocol.name}: "
            f"{', '.join(foreign)}"
        )
    warnings = []
    for what, present in (("queries", asked), ("pictures in the gallery", held)):
        if missing := [name for name in protocol.unseen if name not in present]:
            warnings.append(f"no {what} of {len(missing)} of {protocol.name}'s classes: {', '.join(missing)}")
    others = {name: count for name, count in held.items() if name not in protocol.unseen}
    if others:
        named = sorted(name for name in others if name is not None)
        of = f" (of {', '.join(named[:5])}{', ...' if len(named) > 5 else ''})" if named else ""
        warnings.append(f"the gallery has {sum(others.values())} distractors{of}, which {protocol.name} does not")
    facts = {"protocol": f"{protocol.name}, {len(protocol.unseen)} unseen classes ({protocol.source})"}
    if protocol.note:
        facts["about the protocol"] = protocol.note
    sizes: tuple[tuple[Modality, str, int], ...] = (
        ("sketch", "queries", sum(asked.values())),
        ("photo", "gallery", sum(held[name] for name in protocol.unseen)),
    )
    for modality, what, count in sizes:
        met, told = _size(protocol, modality, count)
        facts[f"known size of the {what}"] = told
        if not met:
            warnings.append(f"{what}: {told}")
    return Checked(queries, gallery, facts, tuple(warnings))


def headline(protocol: Protocol, names: Collection[str]) -> tuple[str, ...]:
    """Return those metrics, by name and variant, that papers report on a protocol, of those that were computed.

    Args:
        protocol: names what is reported, as ``map@200``; which variant is meant is for the reader to find out, so all
            that the lines of work compute are there: first the VOC envelope, which SAKE's line uses.
        names: of what was computed.
    """
    wanted = (
        f"{metric}[{variant}]"
        for metric in protocol.metrics
        for variant in VARIANTS.get(metric) or VARIANTS[metric.partition("@")[0]]
    )
    return tuple(name for name in wanted if name in names)


def _respelled(names: Classes, spelling: dict[str, str]) -> list[str | None]:
    return [None if name is None else spelling.get(normalise(name), name) for name in names]


def _size(protocol: Protocol, modality: Modality, count: int) -> tuple[bool, str]:
    """Say whether a count is a known one, and which."""
    known = [item for item in protocol.counts if (item.modality, item.part) == (modality, "unseen")]
    if not known:
        return True, f"{count:,}; no published size to compare with"
    for item in known:
        if abs(item.count - count) <= (item.count / 20 if item.rounded else 0):
            which = f", {item.gallery}: {GALLERIES[item.gallery]}" if item.gallery else ""
            return True, f"{count:,}, the known size ({item.origin}{which})"
    expected = " or ".join(f"{item.count:,}" + (f" ({item.gallery})" if item.gallery else "") for item in known)
    return False, f"{count:,}, but {protocol.name} has {expected}"
