"""The folder layouts in which the benchmark datasets circulate, and finding out which one a tree has."""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from sketchray.data.folder import PICTURES, DatasetError
from sketchray.data.protocols import normalise
from sketchray.data.samples import Modality
from sketchray.storage import Store

logger = logging.getLogger(__name__)


class Layout(NamedTuple):
    """One way to lay out a dataset: folders that hold a folder for each class.

    Attributes:
        name: of the project that lays it out so.
        sketches: folders of sketches, below the root.
        photos: folders of photos. A photo that lies in two of them is kept from the last one when the gallery is
            de-duplicated.
    """

    name: str
    sketches: tuple[str, ...]
    photos: tuple[str, ...]


class Dataset(NamedTuple):
    """A benchmark dataset.

    Attributes:
        name: of its reader.
        title: as papers write it.
        folders: what downloads call its own folder; a root may be that folder or the one around it.
        layouts: where several fit a tree, the first one counts.
    """

    name: str
    title: str
    folders: tuple[str, ...]
    layouts: tuple[Layout, ...]


class Picture(NamedTuple):
    """One file of a tree.

    Attributes:
        key: below the store's root.
        part: the folder of its layout that it lies in.
        word: its class, normalised.
        modality: ``sketch`` or ``photo``.
        size: bytes.
    """

    key: str
    part: str
    word: str
    modality: Modality
    size: int


class Tree(NamedTuple):
    """A dataset as it lies in a store.

    Attributes:
        dataset: which one.
        layout: how it is laid out.
        base: the folder below the store's root that the layout starts at, empty or ending in ``/``.
        pictures: all of them, by key.
        texts: keys of the text files below `base`, among which are the lists.
    """

    dataset: Dataset
    layout: Layout
    base: str
    pictures: dict[str, Picture]
    texts: tuple[str, ...]


def find_tree(store: Store, dataset: Dataset) -> Tree:
    """List a dataset once and find out how it is laid out.

    Raises:
        DatasetError: it has none of the dataset's layouts; the message says what was looked for and how much of it is
            there, or that a file's name is not UTF-8.
        StoreError: the store cannot be read.
    """
    sizes = {_checked(store, entry.key): entry.size for entry in store.list()}
    own = {normalise(folder) for folder in dataset.folders}
    tops = {key.partition("/")[0] for key in sizes if "/" in key}
    bases = ["", *sorted(f"{top}/" for top in tops if normalise(top) in own)]
    found: list[str] = []
    for layout in dataset.layouts:
        for base in bases:
            pictures = {picture.key: picture for picture in _pictures(sizes, base, layout)}
            held = Counter(picture.modality for picture in pictures.values())
            if held["sketch"] and held["photo"]:
                texts = tuple(key for key in sizes if key.startswith(base) and key.lower().endswith(".txt"))
                logger.info("%s/%s: %s as %s lays it out", store.uri, base, dataset.title, layout.name)
                return Tree(dataset, layout, base, pictures, texts)
            if held:
                found.append(f"of {layout.name}'s only {'sketches' if held['sketch'] else 'photos'}")
    looked = "; ".join(f"{_forms(it.sketches)} with {_forms(it.photos)} ({it.name})" for it in dataset.layouts)
    there = f"found {', '.join(found)}" if found else _first(sizes)
    raise DatasetError(f"{store.uri}: not laid out as {dataset.title} ({there}). Looked for {looked}")


def _pictures(sizes: dict[str, int], base: str, layout: Layout) -> Iterator[Picture]:
    modalities: dict[str, Modality] = dict.fromkeys(layout.sketches, "sketch")
    modalities.update(dict.fromkeys(layout.photos, "photo"))
    for key, size in sizes.items():
        if key.startswith(base) and key.count("/") > base.count("/") + 1:
            part, folder, name = key.removeprefix(base).rsplit("/", 2)
            if part in modalities and not name.startswith(".") and name.lower().endswith(PICTURES):
                yield Picture(key, part, normalise(folder), modalities[part], size)


def _checked(store: Store, key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"{store.uri_of(key)!r}: the file's name is not UTF-8") from error
    return key


def _forms(folders: tuple[str, ...]) -> str:
    return " and/or ".join(f"{folder}/<class>/*" for folder in folders)


def _first(sizes: dict[str, int]) -> str:
    return f"there is {next(iter(sizes))}, for one" if sizes else "nothing is there"
