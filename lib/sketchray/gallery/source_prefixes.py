"""Pictures under bucket prefixes and folders: their ids, and what they are called."""

import json
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from sketchray.data.folder import PICTURES, word_of
from sketchray.data.samples import sample_id
from sketchray.gallery.source_rows import LISTING, Problem, listing_problem
from sketchray.storage import NotFound, Store

NAMES = "names.json"
CHUNK = 1 << 14  # rows that are Python objects at a time, of some 0.5 KiB each


def list_prefixes(
    stores: Sequence[Store], problems: list[Problem], *, exclude: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """List everything under some prefixes that has a picture's file extension, once.

    A picture's id is the digest of its key below the first prefix: the id that the ``folder`` reader gives the file,
    so that a gallery and an evaluation speak of the same pictures. Below a further prefix it is the digest of the whole
    URI. So a prefix that is added at the end leaves the ids that there were.

    In ``photos/<class>/`` the label is the class in words; elsewhere it is the caption that ``names.json`` at the
    prefix's root has for the last ``_``-separated part of the file's name, if any.

    Args:
        stores: bucket prefixes or folders, each once. A picture that lies under two is listed with the first, and is a
            problem of the second.
        problems: to be added to.
        exclude: key prefixes to leave out, below each.

    Yields:
        The pictures (`LISTING`), some at a time, in no order; the last table may be empty.

    Raises:
        ValueError: a ``names.json`` is not a mapping of texts.
    """
    rows: list[tuple[str | None, ...]] = []
    for number, store in enumerate(stores):
        names = _read_names(store)
        earlier = [other.uri for other in stores[:number]]
        for key, etag in _pictures(store, exclude):
            uri = store.uri_of(key)
            try:
                identity = sample_id(uri if number else key)
            except UnicodeEncodeError:
                problems.append(listing_problem(uri, "the file's name is not UTF-8"))
                continue
            if other := next((other for other in earlier if _lists(other, uri, exclude)), None):
                problems.append(listing_problem(uri, f"it is listed already, under {other}"))
                continue
            rows.append((identity, key, uri, etag, label_of(key, names)))
            if len(rows) == CHUNK:
                yield _table(rows)
                rows = []
    yield _table(rows)


def label_of(key: str, names: Mapping[str, str]) -> str | None:
    """Return what a picture is called: its class, or its caption, or None."""
    parts = key.split("/")
    if parts[0] == "photos" and len(parts) > 2:
        return word_of(parts[1])
    return names.get(parts[-1].rpartition(".")[0].rpartition("_")[2])


def _pictures(store: Store, exclude: Sequence[str]) -> Iterator[tuple[str, str]]:
    for entry in store.scan():
        name = entry.key.rpartition("/")[2]
        if not name.startswith(".") and name.lower().endswith(PICTURES) and not entry.key.startswith(tuple(exclude)):
            yield entry.key, entry.etag


def _lists(prefix: str, uri: str, exclude: Sequence[str]) -> bool:
    """Return whether a picture is one of an earlier prefix's."""
    return uri.startswith(f"{prefix}/") and not uri.removeprefix(f"{prefix}/").startswith(tuple(exclude))


def _table(rows: Sequence[tuple[str | None, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(LISTING)
    return pa.table([list(column) for column in columns], schema=LISTING)


def _read_names(source: Store) -> dict[str, str]:
    try:
        names = json.loads(source.read(NAMES))
    except NotFound:
        return {}
    except ValueError as error:
        raise ValueError(f"{source.uri_of(NAMES)}: not readable as JSON ({error})") from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ValueError(f"{source.uri_of(NAMES)}: not a mapping of code points to names")
    return names
