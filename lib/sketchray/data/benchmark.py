"""The reader of the benchmark datasets: a tree, the lists that may lie in it, and one of its two galleries."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

import pyarrow as pa

from sketchray.data.filelists import find_lists, listed_pictures
from sketchray.data.layouts import Dataset, Picture, Tree, find_tree
from sketchray.data.protocols import Protocol
from sketchray.data.protocols.protocol import Gallery
from sketchray.data.samples import Sample, Split, sample_table
from sketchray.storage import Store

logger = logging.getLogger(__name__)


def read_benchmark(
    store: Store,
    dataset: Dataset,
    *,
    protocol: Protocol | None = None,
    gallery: Gallery = "listed",
    partial: bool = False,
    hold_out_listed: bool = True,
) -> pa.Table:
    """Return the sample table of a benchmark dataset; a class's name is its folder's, normalised.

    Where lists of the protocol lie in the tree, they say which pictures belong to it; else all pictures do. Every row
    is ``seen`` but for the lists' held-out sketches, which are ``val``: a protocol is applied to the table afterwards.

    Args:
        store: the dataset's folder, or the one around it.
        dataset: which one.
        protocol: the split whose lists are looked for.
        gallery: ``listed`` has a photo as often as it lies in the tree (Sketchy's originals twice, under two ids);
            ``dedup`` has one of each file name in a class, from the layout's last folder of photos.
        partial: read lists without the pictures that are not there.
        hold_out_listed: False leaves the lists' held-out sketches among the seen ones.

    Raises:
        DatasetError: none of the dataset's layouts, or lists that contradict the tree or themselves.
        StoreError: the store cannot be read.
    """
    tree = find_tree(store, dataset)
    split_of = _listed(store, tree, protocol, partial=partial, hold_out_listed=hold_out_listed)
    pictures = [tree.pictures[key] for key in split_of]
    if gallery == "dedup":
        pictures = without_repeats(pictures, tree)
    return sample_table(
        Sample(picture.key, store.uri_of(picture.key), picture.modality, picture.word, split_of[picture.key])
        for picture in pictures
    )


def without_repeats(pictures: Iterable[Picture], tree: Tree) -> list[Picture]:
    """Return the pictures without those photos whose name lies in a later folder of the layout too, class by class."""
    kept = list(pictures)
    rank = {part: place for place, part in enumerate(tree.layout.photos)}
    last: dict[tuple[str, str], int] = defaultdict(int)
    for picture in kept:
        if picture.modality == "photo":
            last[_name(picture)] = max(last[_name(picture)], rank[picture.part])
    return [it for it in kept if it.modality == "sketch" or rank[it.part] == last[_name(it)]]


def _name(picture: Picture) -> tuple[str, str]:
    return picture.word, PurePosixPath(picture.key).stem


def _listed(
    store: Store, tree: Tree, protocol: Protocol | None, *, partial: bool, hold_out_listed: bool
) -> dict[str, Split]:
    """Return the keys of the pictures to read, each with its split before a protocol is applied."""
    lists = find_lists(store, tree, protocol) if protocol else None
    if lists is None:
        logger.info("%s: no lists of this split; every picture counts", store.uri)
        return dict.fromkeys(tree.pictures, "seen")
    logger.info("%s: the lists of %s say which pictures count", store.uri, lists.folder)
    held: Split = "val" if hold_out_listed else "seen"
    listed = listed_pictures(store, tree, lists, partial=partial)
    return {it.key: held if part == "test" else "seen" for part, pictures in listed.items() for it in pictures}
