"""SAKE's file lists: which pictures a split takes, and which seen sketches it holds out.

A split's folder (``zeroshot1``) has ``<set>_filelist_{train,test,zero}.txt``, in ZSE-SBIR's QuickDraw without
``filelist_``. A line is a path below the dataset's root, a space, and a class number; names may contain spaces, so the
last one divides. ``train`` and ``test`` are seen classes, the latter held out; ``zero`` are the unseen ones.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

from sketchray.data.folder import DatasetError
from sketchray.data.layouts import Picture, Tree
from sketchray.data.protocols import Protocol, normalise
from sketchray.data.samples import Modality
from sketchray.storage import Store

ListPart = Literal["train", "test", "zero"]
_SETS: dict[str, Modality] = {
    "sketch_tx_000000000000_ready": "sketch",
    "png_ready": "sketch",
    "sketch": "sketch",
    "all_photo": "photo",
    "ImageResized_ready": "photo",
}
_NAMES: dict[str, tuple[Modality, ListPart]] = {
    f"{name}_{infix}{part}.txt": (modality, part)
    for name, modality in _SETS.items()
    for infix in ("filelist_", "")
    for part in get_args(ListPart)
}


class ListedRow(NamedTuple):
    """One line of a list: the picture's key below the store's root, and the list that it stands in."""

    key: str
    modality: Modality
    part: ListPart


class FileLists(NamedTuple):
    """The lists of one split.

    Attributes:
        folder: where they lie.
        rows: all their lines.
    """

    folder: str
    rows: tuple[ListedRow, ...]


def find_lists(store: Store, tree: Tree, protocol: Protocol) -> FileLists | None:
    """Return the lists in a tree that are of this protocol, or None: they are told by their classes, not their names.

    Lists that lack one of the four that a split needs (sketches and photos, ``train`` and ``zero``) do not count.

    Raises:
        DatasetError: a list is not readable as one, or names a picture twice; the message names file and line.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for key in tree.texts:
        folder, _, name = key.rpartition("/")
        if name in _NAMES:
            folders[folder].append(key)
    for folder, keys in sorted(folders.items()):
        lists = FileLists(folder, tuple(row for key in keys for row in _read(store, key, tree.base)))
        if _is_of(lists, protocol):
            _refuse_repeats(store, lists)
            return lists
    return None


def listed_pictures(store: Store, tree: Tree, lists: FileLists, *, partial: bool) -> dict[ListPart, list[Picture]]:
    """Return the pictures that lists name, by the list they stand in.

    Raises:
        DatasetError: some do not exist, unless `partial`.
    """
    missing = [row.key for row in lists.rows if row.key not in tree.pictures]
    if missing and not partial:
        raise DatasetError(
            f"{store.uri_of(lists.folder)}: its lists name pictures that are not there ({len(missing)}), "
            f"as {missing[0]}; data.partial=true reads without them"
        )
    pictures: dict[ListPart, list[Picture]] = {part: [] for part in get_args(ListPart)}
    for row in lists.rows:
        if row.key in tree.pictures:
            pictures[row.part].append(tree.pictures[row.key])
    return pictures


def _read(store: Store, key: str, base: str) -> Iterator[ListedRow]:
    uri, (modality, part) = store.uri_of(key), _NAMES[key.rpartition("/")[2]]
    try:
        lines = store.read(key).decode().splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{uri}: not readable as a list ({error})") from error
    for number, line in enumerate(lines, 1):
        path, _, label = line.rstrip().rpartition(" ")
        if not line.strip():
            continue
        if not label.isdecimal() or path.count("/") < 1:
            raise DatasetError(f"{uri}, line {number}: not of the form 'relative/path number': {line[:80]!r}")
        yield ListedRow(base + path.strip().removeprefix("./"), modality, part)


def _is_of(lists: FileLists, protocol: Protocol) -> bool:
    classes: dict[bool, set[str]] = {True: set(), False: set()}
    for row in lists.rows:
        classes[row.part == "zero"].add(row.key.split("/")[-2])
    unseen, seen = ({normalise(folder) for folder in classes[zero]} for zero in (True, False))
    given = {(row.modality, row.part) for row in lists.rows}
    whole = given >= {(modality, part) for modality in get_args(Modality) for part in ("train", "zero")}
    return whole and unseen <= protocol.unseen_words and not seen & protocol.unseen_words


def _refuse_repeats(store: Store, lists: FileLists) -> None:
    met: set[str] = set()
    for row in lists.rows:
        if row.key in met:
            raise DatasetError(f"{store.uri_of(lists.folder)}: its lists name {row.key} twice")
        met.add(row.key)
