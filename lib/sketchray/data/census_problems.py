"""What is wrong with a copy of a benchmark dataset, a sentence for each kind, each naming all it concerns."""

from collections import Counter
from collections.abc import Iterable, Iterator

from sketchray.data.filelists import FileLists
from sketchray.data.layouts import Dataset, Tree
from sketchray.data.protocols import Protocol, classes_of, normalise
from sketchray.data.samples import Modality

PLURAL: dict[Modality, str] = {"sketch": "sketches", "photo": "photos"}


def class_problems(dataset: Dataset, held: dict[Modality, Counter[str]]) -> Iterator[str]:
    """Yield what is missing, half there or foreign among the classes."""
    known = [normalise(name) for name in classes_of(dataset.name)]
    present = held["sketch"].keys() | held["photo"].keys()
    if missing := [word for word in known if word not in present]:
        yield f"missing classes ({len(missing)} of {len(known)}): {', '.join(missing)}"
    for modality, plural in PLURAL.items():
        if half := [word for word in known if word in present and word not in held[modality]]:
            yield f"classes without {plural} ({len(half)}): {', '.join(half)}"
    if foreign := sorted(present - set(known)):
        yield f"classes that are not {dataset.title}'s ({len(foreign)}): {', '.join(foreign)}"


def size_problems(protocols: Iterable[Protocol], held: dict[Modality, Counter[str]]) -> Iterator[str]:
    """Yield the classes that have fewer or more pictures than their protocol says each class has."""
    for protocol in protocols:
        for it in protocol.ranges:
            words = [
                normalise(name) for name in (protocol.unseen if it.part == "unseen" else classes_of(protocol.dataset))
            ]
            counts = {word: held[it.modality][word] for word in words if held[it.modality][word]}
            high = it.high if it.high is not None else max(counts.values(), default=0)
            if odd := [f"{word} ({n})" for word, n in counts.items() if not it.low <= n <= high]:
                should = (
                    f"{it.low}" if it.low == it.high else f"{it.low} to {it.high}" if it.high else f"{it.low} or more"
                )
                yield f"classes without {should} {PLURAL[it.modality]}, as {it.origin} ({len(odd)}): {', '.join(odd)}"


def file_problems(tree: Tree, lists: Iterable[FileLists]) -> Iterator[str]:
    """Yield empty files, and pictures that lists name and that are not there."""
    if empty := sorted(key for key, picture in tree.pictures.items() if not picture.size):
        yield f"empty files ({len(empty)}): {', '.join(empty)}"
    for found in lists:
        if missing := sorted(row.key for row in found.rows if row.key not in tree.pictures):
            yield f"pictures missing that the lists of {found.folder} name ({len(missing)}): {', '.join(missing)}"
