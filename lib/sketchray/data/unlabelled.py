"""The unlabelled reader: a bucket of pictures and any pile of sketches, to be trained on without one label.

Whatever has a picture's file extension below the first place is a photo. Below the second, pictures are sketches, and
so is every drawing in a file of them (``.ndjson``, ``.ndjson.gz``, ``.npz``). Folders mean nothing here.
"""

from collections.abc import Iterator

import pyarrow as pa

from sketchray.data.containers import CONTAINERS
from sketchray.data.folder import PICTURES, DatasetError, check_name, read_container
from sketchray.data.samples import Sample, sample_table
from sketchray.storage import Store


def read_unlabelled(pictures: Store, sketches: Store) -> pa.Table:
    """Return the sample table: every class is null, every split ``seen``.

    Args:
        pictures: the bucket's prefix or folder.
        sketches: that of the sketches; it may lie inside the other one; its pictures are then sketches alone.

    Raises:
        DatasetError: no pictures or no sketches, a damaged file of drawings, or a name that is not UTF-8.
        StoreError: a store cannot be read.
    """
    drawn = list(_sketches(sketches))
    also_drawn = {sample.uri for sample in drawn}
    photos = [sample for sample in _photos(pictures) if sample.uri not in also_drawn]
    for found, store, what in ((photos, pictures, PICTURES), (drawn, sketches, PICTURES + CONTAINERS)):
        if not found:
            raise DatasetError(f"{store.uri}: nothing to learn from there ({', '.join(what)})")
    return sample_table([*photos, *drawn])


def _photos(store: Store) -> Iterator[Sample]:
    for key in _keys(store, PICTURES):
        yield Sample(f"photo/{key}", store.uri_of(key), "photo", None, "seen")


def _sketches(store: Store) -> Iterator[Sample]:
    for key in _keys(store, PICTURES + CONTAINERS):
        if key.lower().endswith(PICTURES):
            yield Sample(f"sketch/{key}", store.uri_of(key), "sketch", None, "seen")
        else:
            for drawing in read_container(store, key, None):
                yield drawing._replace(key=f"sketch/{drawing.key}")


def _keys(store: Store, endings: tuple[str, ...]) -> Iterator[str]:
    for entry in store.list():
        if entry.key.lower().endswith(endings) and not entry.key.rpartition("/")[2].startswith("."):
            check_name(store, entry.key)
            yield entry.key
