"""What a user's copy of a benchmark dataset holds, beside what is known of it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sketchray.config import Config
from sketchray.data.benchmark import without_repeats
from sketchray.data.census_problems import PLURAL, class_problems, file_problems, size_problems
from sketchray.data.filelists import FileLists, find_lists
from sketchray.data.layouts import Dataset, Picture, find_tree
from sketchray.data.protocols import KnownCount, Protocol
from sketchray.data.protocols.protocol import Gallery, Part
from sketchray.data.samples import Modality
from sketchray.storage import Store

ROUNDED = 0.05


class CountRow(Config):
    """One counted part.

    Attributes:
        what: as ``photos of unseen classes, listed``.
        found: how many are there.
        known: the numbers known for it, best founded first, each with its origin.
        verdict: ``as measured``, ``37 missing`` and so on; ``not known`` where there is no number.
        fits: False where no known number is met.
    """

    what: str
    found: int
    known: tuple[str, ...]
    verdict: str
    fits: bool


class Census(Config):
    """What a copy holds.

    Attributes:
        root: where it lies.
        dataset: its title.
        layout: whose layout it has.
        lists: folders of lists found, with the protocol that each is of.
        counts: what was counted.
        problems: everything else that is missing, double or wrong, a sentence each, each naming all it concerns.
        notes: what a reader of the numbers should know.
        per_class: by class, its sketches and photos.
    """

    root: str
    dataset: str
    layout: str
    lists: tuple[str, ...]
    counts: tuple[CountRow, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    per_class: dict[str, dict[str, int]]

    @property
    def complete(self) -> bool:
        """Whether every known number is met and nothing else is wrong."""
        return not self.problems and all(row.fits for row in self.counts)


def take_census(store: Store, dataset: Dataset, protocols: Sequence[Protocol]) -> Census:
    """Count a dataset under one or more of its protocols.

    Raises:
        DatasetError: it has none of the dataset's layouts, or a list in it is broken.
        StoreError: the store cannot be read.
    """
    tree = find_tree(store, dataset)
    listed = list(tree.pictures.values())
    dedup = without_repeats(listed, tree)
    galleries: dict[Gallery, list[Picture]] = {"dedup": dedup}
    notes = []
    if len(dedup) < len(listed):
        galleries["listed"] = listed
        notes.append(f"{len(listed) - len(dedup):,} photos lie in two folders: twice in 'listed', once in 'dedup'")
    elif dataset.name == "sketchy":
        notes.append(
            "no photo lies in two folders, so the 'listed' gallery of most papers cannot be had from this copy"
        )
    lists = [(protocol, found) for protocol in protocols if (found := find_lists(store, tree, protocol))]
    rows = [row for protocol in protocols for row in _count(protocol, galleries)]
    rows += [row for protocol, found in lists for row in _count_held_out(protocol, found)]
    held = {modality: Counter(it.word for it in dedup if it.modality == modality) for modality in PLURAL}
    problems = [
        *class_problems(dataset, held),
        *size_problems(protocols, held),
        *file_problems(tree, [found for _, found in lists]),
    ]
    return Census(
        root=store.uri,
        dataset=dataset.title,
        layout=tree.layout.name,
        lists=tuple(f"{found.folder} ({protocol.name})" for protocol, found in lists),
        counts=tuple(dict.fromkeys(rows)),
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(notes),
        per_class={
            word: {PLURAL[modality]: held[modality][word] for modality in PLURAL}
            for word in sorted(held["sketch"].keys() | held["photo"].keys())
        },
    )


def compare(what: str, found: int, known: Sequence[KnownCount]) -> CountRow:
    """Hold a count against what is known: any known number may be met, the first is what a difference is told from."""
    names = tuple(f"{'about ' * it.rounded}{it.count:,} {it.origin}" for it in known)
    if not known:
        return CountRow(what=what, found=found, known=(), verdict="not known", fits=True)
    for it in known:
        if found == it.count or (it.rounded and abs(found - it.count) <= ROUNDED * it.count):
            verdict = f"{'about ' * it.rounded}as {it.origin}"
            return CountRow(what=what, found=found, known=names, verdict=verdict, fits=True)
    short = known[0].count - found
    verdict = f"{abs(short):,} {'missing' if short > 0 else 'too many'}"
    return CountRow(what=what, found=found, known=names, verdict=verdict, fits=False)


def _count(protocol: Protocol, galleries: dict[Gallery, list[Picture]]) -> Iterator[CountRow]:
    parts: tuple[Part, ...] = ("all", "seen", "unseen")
    for part in parts:
        which = "" if part == "all" else f" of {part} classes, {protocol.name}"
        yield compare(
            f"sketches{which}", _number(galleries["dedup"], "sketch", part, protocol), protocol.known("sketch", part)
        )
        for gallery, pictures in galleries.items():
            named = f", {gallery}" if len(galleries) > 1 else ""
            found = _number(pictures, "photo", part, protocol)
            yield compare(f"photos{which}{named}", found, protocol.known("photo", part, gallery))


def _number(pictures: list[Picture], modality: Modality, part: Part, protocol: Protocol) -> int:
    return sum(it.modality == modality and _in(it, part, protocol) for it in pictures)


def _in(picture: Picture, part: Part, protocol: Protocol) -> bool:
    return part == "all" or (picture.word in protocol.unseen_words) == (part == "unseen")


def _count_held_out(protocol: Protocol, lists: FileLists) -> Iterator[CountRow]:
    if found := sum(row.part == "test" and row.modality == "sketch" for row in lists.rows):
        yield compare(f"sketches held out by {lists.folder}", found, protocol.known("sketch", "val"))
