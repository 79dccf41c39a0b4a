"""A protocol laid over a sample table: every row gets its split by its class."""

import difflib
import logging
from collections import defaultdict

import pyarrow as pa

from sketchray.data.folder import DatasetError
from sketchray.data.protocols.names import normalise
from sketchray.data.protocols.protocol import Protocol
from sketchray.data.samples import Split

logger = logging.getLogger(__name__)


def apply_protocol(table: pa.Table, protocol: Protocol, *, partial: bool = False, where: str = "") -> pa.Table:
    """Return a sample table with the protocol's unseen classes as ``unseen`` and every other class as ``seen``.

    Rows of seen classes that are ``val`` already stay so, and unlabelled ones stay as they are. A class that the
    dataset of the papers does not have is seen, and named in the log.

    Args:
        table: a sample table of the protocol's dataset, its classes spelled in any way.
        protocol: the split.
        partial: leave out, and name in the log, classes that lack sketches or photos or that the protocol does not
            know; else such a class of the protocol is an error.
        where: the dataset's place, for messages.

    Raises:
        DatasetError: a class of the protocol lacks sketches, photos or both (unless `partial`); it is named with the
            nearest one that is there. Or no class is left on one side of the split.
    """
    held = _modalities(table)
    known = {normalise(name): name for name in protocol.unseen + protocol.seen}
    lacking = sorted((word for word in known if len(held.get(word, ())) < 2), key=lambda word: word not in held)
    if lacking and not partial:
        raise DatasetError(f"{where}: {_complaint(lacking, held, known, protocol)}")
    foreign = sorted(held.keys() - known.keys())
    if partial and (lacking or foreign):
        logger.warning("%s: left out: %s (not whole), %s (not the dataset's)", where, _names(lacking), _names(foreign))
    elif foreign:
        logger.warning("%s: taken as seen, though not a class of the papers' dataset: %s", where, _names(foreign))
    out = {*lacking, *foreign} if partial else set()
    split_of: dict[str, Split] = {
        word: "unseen" if word in protocol.unseen_words else "seen" for word in held if word not in out
    }
    for split in ("unseen", "seen"):
        if split not in split_of.values():
            raise DatasetError(f"{where}: no {split} class of {protocol.name} is there, with sketches and photos")
    words = [None if name is None else normalise(name) for name in table["class_name"].to_pylist()]
    before = table["split"].to_pylist()
    after = [
        split if word is None or (split == "val" and split_of.get(word) == "seen") else split_of.get(word)
        for word, split in zip(words, before, strict=True)
    ]
    place = table.schema.get_field_index("split")
    kept = table.filter(pa.array([split is not None for split in after]))
    splits = pa.array([split for split in after if split is not None], pa.string())
    return kept.set_column(place, table.schema.field(place), splits)


def _modalities(table: pa.Table) -> dict[str, set[str]]:
    held: dict[str, set[str]] = defaultdict(set)
    pairs = table.group_by(["class_name", "modality"]).aggregate([])
    for name, modality in zip(pairs["class_name"].to_pylist(), pairs["modality"].to_pylist(), strict=True):
        if name is not None:
            held[normalise(name)].add(modality)
    return dict(held)


def _complaint(lacking: list[str], held: dict[str, set[str]], known: dict[str, str], protocol: Protocol) -> str:
    word = lacking[0]
    if word in held:
        has = "sketches" if "sketch" in held[word] else "photos"
        said = f"class {known[word]!r} of {protocol.name} has {has} only"
    else:
        near = difflib.get_close_matches(word, held.keys() - known.keys(), n=1) or difflib.get_close_matches(word, held)
        nearest = f"; the nearest there is {near[0]!r}" if near else ""
        said = f"class {known[word]!r} of {protocol.name} is not there{nearest}"
    others = f" ({len(lacking) - 1} more classes are not whole)" if len(lacking) > 1 else ""
    return f"{said}{others}; data.partial=true reads without what is missing"


def _names(words: list[str]) -> str:
    if not words:
        return "no class"
    return ", ".join(words[:8]) + (f" and {len(words) - 8} more" if len(words) > 8 else "")
