"""The folder reader: a plain folder or a bucket prefix with one folder or file a class.

=======================================  ==========================================================
``photos/<class>/*``                     pictures
``sketches/<class>/*``                   drawings as pictures
``strokes/<class>.ndjson[.gz]``          drawings as strokes, one a line
``sketches28/<class>.npz``               drawings as bitmaps, an array ``images`` (N, H, W) with ink 255
``gallery/*``                            pictures without a label
``split.json`` (optional)                ``{"seen": [words], "unseen": [words]}``; without it all are seen
=======================================  ==========================================================

A class's folder is its word with spaces as underscores. Other files are passed over.
"""

import difflib
import json
import unicodedata
from collections.abc import Collection, Iterator
from typing import Literal, get_args

import pyarrow as pa

from sketchray.data.containers import CONTAINERS, open_container
from sketchray.data.samples import Modality, Sample, Split, sample_table
from sketchray.storage import Store

Source = Literal["photos", "sketches", "strokes", "sketches28", "gallery"]
SOURCES: tuple[Source, ...] = get_args(Source)
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
SPLIT_FILE = "split.json"


class DatasetError(ValueError):
    """A folder that is no dataset, or one that contradicts itself; the message names the place."""


def read_folder(store: Store, sources: Collection[Source] = SOURCES) -> pa.Table:
    """Return the sample table of a folder in this layout.

    Args:
        store: the dataset's root.
        sources: which of its parts to read.

    Raises:
        DatasetError: no samples, a class that ``split.json`` does not name or names twice or that does not exist, a
            damaged file of drawings.
        StoreError: the store cannot be read.
    """
    samples = [sample for source in SOURCES if source in sources for sample in _read_source(store, source)]
    if not samples:
        raise DatasetError(f"{store.uri}: no samples; {_explain(store, sources)}")
    if store.exists(SPLIT_FILE):
        samples = _assign_splits(store, samples)
    return sample_table(samples)


def word_of(folder: str) -> str:
    """Return a class's word from the name of its folder or file."""
    return unicodedata.normalize("NFC", folder).replace("_", " ").strip()


def _read_source(store: Store, source: Source) -> Iterator[Sample]:
    modality: Modality = "photo" if source in ("photos", "gallery") else "sketch"
    for entry in store.list(f"{source}/"):
        folders, _, name = entry.key.rpartition("/")
        if name.startswith(".") or not name.lower().endswith(CONTAINERS if _packed(source) else PICTURES):
            continue
        check_name(store, entry.key)
        if source == "gallery":
            yield Sample(entry.key, store.uri_of(entry.key), modality, None, "gallery")
        elif not _packed(source):
            word = word_of(folders.split("/")[1]) if "/" in folders else ""
            if not word:
                raise DatasetError(f"{store.uri_of(entry.key)}: lies in no class's folder ({source}/<class>/{name})")
            yield Sample(entry.key, store.uri_of(entry.key), modality, word, "seen")
        else:
            yield from read_container(store, entry.key, word_of(name[: name.lower().rindex(_ending(name))]))


def check_name(store: Store, key: str) -> None:
    """Refuse a name that no URI can hold.

    Raises:
        DatasetError: it is not UTF-8.
    """
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise DatasetError(f"{store.uri_of(key)!r}: the file's name is not UTF-8") from error


def read_container(store: Store, key: str, word: str | None) -> Iterator[Sample]:
    """Yield a sample for each drawing in a file of them.

    Raises:
        DatasetError: the file is damaged.
    """
    uri = store.uri_of(key)
    try:
        rows = len(open_container(uri, store.read(key)))
    except ValueError as error:
        raise DatasetError(str(error)) from error
    for row in range(rows):
        yield Sample(f"{key}#{row}", f"{uri}#{row}", "sketch", word, "seen")


def _packed(source: Source) -> bool:
    return source in ("strokes", "sketches28")


def _ending(name: str) -> str:
    return next(ending for ending in sorted(CONTAINERS, key=len, reverse=True) if name.lower().endswith(ending))


def _assign_splits(store: Store, samples: list[Sample]) -> list[Sample]:
    split_of = _read_split(store)
    words = {sample.class_name for sample in samples if sample.class_name is not None}
    uri = store.uri_of(SPLIT_FILE)
    if missing := sorted(words - split_of.keys()):
        raise DatasetError(f"{uri}: says nothing of {_some(missing)}")
    if unknown := sorted(split_of.keys() - words):
        near = difflib.get_close_matches(unknown[0], words, n=1)
        hint = f"; is it {near[0]}?" if near else ""
        raise DatasetError(f"{uri}: names {_some(unknown)}, of which there are no samples{hint}")
    return [s if s.class_name is None else s._replace(split=split_of[s.class_name]) for s in samples]


def _read_split(store: Store) -> dict[str, Split]:
    uri = store.uri_of(SPLIT_FILE)
    try:
        lists = json.loads(store.read(SPLIT_FILE))
    except ValueError as error:
        raise DatasetError(f"{uri}: not readable as JSON ({error})") from error
    form = '{"seen": [words], "unseen": [words]}'
    if not isinstance(lists, dict) or set(lists) != {"seen", "unseen"}:
        raise DatasetError(f"{uri}: must be of the form {form}")
    split_of: dict[str, Split] = {}
    splits: tuple[Split, Split] = ("seen", "unseen")
    for split in splits:
        if not isinstance(lists[split], list) or not all(isinstance(word, str) for word in lists[split]):
            raise DatasetError(f"{uri}: {split!r} must be a list of words, as in {form}")
        for word in map(word_of, lists[split]):
            if word in split_of:
                raise DatasetError(f"{uri}: {word!r} is named twice ({split_of[word]} and {split})")
            split_of[word] = split
    return split_of


def _some(words: list[str]) -> str:
    return ", ".join(map(repr, words[:5])) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _explain(store: Store, sources: Collection[Source]) -> str:
    top = next(iter(store.list()), None)
    found = "nothing is there" if top is None else f"there is {top.key}, for one"
    return f"{found}; a dataset has {', '.join(f'{s}/' for s in SOURCES if s in sources)} (see sketchray.data.folder)"
