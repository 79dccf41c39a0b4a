"""Protocols by name: the classes from the text files beside this module, the sizes from `facts`."""

import difflib
from functools import cache
from importlib.resources import files

from sketchray.data.protocols.facts import FACTS
from sketchray.data.protocols.names import normalise
from sketchray.data.protocols.protocol import Protocol

_COMMENT = "#"


def list_protocols() -> list[str]:
    """Return the names of all protocols."""
    return sorted(FACTS)


def protocols_of(dataset: str) -> list[Protocol]:
    """Return the protocols of one dataset, by name."""
    return [protocol for protocol in map(get_protocol, list_protocols()) if protocol.dataset == dataset]


@cache
def get_protocol(name: str) -> Protocol:
    """Return a protocol by name.

    Raises:
        ValueError: there is none of this name, or the name does not say which of two published lists is meant.
    """
    if name in FACTS:
        facts = FACTS[name]
        unseen = _read(name)
        apart = {normalise(word) for word in unseen}
        seen = tuple(word for word in classes_of(facts.dataset) if normalise(word) not in apart)
        return Protocol(name=name, unseen=unseen, seen=seen, source=_source(name), **facts._asdict())
    if len(both := [known for known in list_protocols() if known.startswith(f"{name}-")]) > 1:
        lists = " or ".join(both)
        raise ValueError(f"protocol {name!r}: two lists go by this name and share few classes; say {lists}")
    near = difflib.get_close_matches(name, FACTS, n=1)
    hint = f"; did you mean {near[0]}" if near else ""
    raise ValueError(f"no protocol {name!r}{hint}? Known: {', '.join(list_protocols())}")


def classes_of(dataset: str) -> tuple[str, ...]:
    """Return all classes of ``sketchy``, ``tuberlin`` or ``quickdraw``, spelled as its folders are."""
    assert dataset in {"sketchy", "tuberlin", "quickdraw"}, dataset
    return _read(dataset)


def _lines(name: str) -> list[str]:
    return (files(__package__) / f"{name}.txt").read_text(encoding="utf-8").splitlines()


def _read(name: str) -> tuple[str, ...]:
    return tuple(line for line in _lines(name) if line and not line.startswith(_COMMENT))


def _source(name: str) -> str:
    header = " ".join(line.removeprefix(_COMMENT).strip() for line in _lines(name) if line.startswith(_COMMENT))
    return header.partition("Source: ")[2]
