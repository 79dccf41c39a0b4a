"""Which pictures of a bucket or folder a gallery is made of, and what they are called."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import pyarrow as pa

from sketchray.data.folder import PICTURES, word_of
from sketchray.data.samples import sample_id
from sketchray.storage import NotFound, Store

NAMES = "names.json"
LISTING = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)


def list_pictures(source: Store, *, exclude: Sequence[str] = ()) -> tuple[pa.Table, list[dict[str, str]]]:
    """List everything under a source that has a picture's file extension.

    Ids are those that the ``folder`` reader gives the same files, so a gallery and an evaluation speak of the same
    pictures. In ``photos/<class>/`` the label is the class in words; elsewhere it is the caption that ``names.json`` at
    the source's root has for the last ``_``-separated part of the file's name, if any.

    Args:
        source: a bucket prefix or a folder.
        exclude: key prefixes to leave out.

    Returns:
        The pictures (`LISTING`, sorted by id), and ``uri``, ``stage``, ``reason`` of those that cannot be listed.

    Raises:
        ValueError: there is no picture, or ``names.json`` is not a mapping of texts.
    """
    names = _read_names(source)
    rows, problems = [], []
    for entry in source.list():
        name = entry.key.rpartition("/")[2]
        if name.startswith(".") or not name.lower().endswith(PICTURES) or entry.key.startswith(tuple(exclude)):
            continue
        uri = source.uri_of(entry.key)
        try:
            identity = sample_id(entry.key)
        except UnicodeEncodeError:
            readable = uri.encode(errors="backslashreplace").decode()
            problems.append({"uri": readable, "stage": "list", "reason": "the file's name is not UTF-8"})
            continue
        rows.append((identity, entry.key, uri, entry.etag, label_of(entry.key, names)))
    if not rows and not problems:
        raise ValueError(f"{source.uri}: no picture there ({', '.join(PICTURES)})")
    columns = list(zip(*sorted(rows), strict=True)) or [()] * len(LISTING)
    return pa.table([list(column) for column in columns], schema=LISTING), problems


def label_of(key: str, names: Mapping[str, str]) -> str | None:
    """Return what a picture is called: its class, or its caption, or None."""
    parts = key.split("/")
    if parts[0] == "photos" and len(parts) > 2:
        return word_of(parts[1])
    return names.get(parts[-1].rpartition(".")[0].rpartition("_")[2])


def listing_digest(pictures: pa.Table) -> str:
    """Return 16 hex digits over the pictures' ids, places, etags and labels."""
    hashed = hashlib.sha256()
    for name in pictures.schema.names:
        hashed.update(json.dumps(pictures[name].to_pylist()).encode())
    return hashed.hexdigest()[:16]


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
