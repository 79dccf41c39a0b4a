"""What an update has to do: a listing of the source beside the rows that a gallery has, by id and etag."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.gallery.manifest import GalleryError
from sketchray.gallery.sharding import rows_by_shard

OWN = ("id", "key", "uri", "etag", "label", "embedding", "jpeg")  # what is left of a table are metadata columns


class Changes(NamedTuple):
    """How a listing differs from the live rows. Tables hold rows of the listing, in its order.

    Attributes:
        new: pictures whose id is not in the gallery.
        changed: pictures with another etag than the gallery's: to be embedded anew.
        rewritten: the same etag, but another uri, label or metadata: a new row with the embedding that is there.
        gone: ids of the gallery that are not in the listing, in the gallery's order.
        kept: number of pictures that are as they were.
    """

    new: pa.Table
    changed: pa.Table
    rewritten: pa.Table
    gone: list[str]
    kept: int

    @property
    def to_embed(self) -> pa.Table:
        """The new and the changed pictures, sorted by id."""
        return pa.concat_tables([self.new, self.changed]).sort_by("id")

    @property
    def none(self) -> bool:
        """Whether the listing shows exactly the gallery."""
        return not (self.new.num_rows or self.changed.num_rows or self.rewritten.num_rows or self.gone)


def compare(listing: pa.Table, live: pa.Table) -> Changes:
    """Compare a listing with the live rows of a gallery, or of one shard with that shard's part of the listing.

    Args:
        listing: ``id``, ``uri``, ``etag``, ``label`` and metadata columns, each id once; further columns pass through.
        live: of the same columns, from `Gallery.live`; the embedding is not needed.

    Raises:
        GalleryError: the metadata columns are not the gallery's, or an id is listed twice.
    """
    listing = conform(listing, live.schema)
    if pc.count_distinct(listing["id"]).as_py() != listing.num_rows:
        raise GalleryError(f"id {_first_twice(listing['id'])!r} is listed twice")
    place = pc.index_in(listing["id"], value_set=live["id"].combine_chunks())
    known, here = pc.is_valid(place), listing["id"]
    both, compared = listing.filter(known), ["etag", "uri", "label", *_metadata(live.schema)]
    before = live.select(compared).take(place.drop_null())
    same = {name: _equal(both[name], before[name]) for name in compared}
    same_picture, same_row = same["etag"], _all(list(same.values()))
    gone = live["id"].filter(pc.invert(pc.is_in(live["id"], value_set=here.combine_chunks())))
    return Changes(
        new=listing.filter(pc.invert(known)),
        changed=both.filter(pc.invert(same_picture)),
        rewritten=both.filter(pc.and_not(same_picture, same_row)),
        gone=gone.to_pylist(),
        kept=pc.sum(same_row).as_py() or 0,
    )


def join_changes(parts: Iterable[Changes]) -> Changes:
    """Put the changes of several shards together, sorted by id.

    Raises:
        ValueError: there is no part.
    """
    new, changed, rewritten, gone, kept = zip(*parts, strict=True)
    new, changed, rewritten = (pa.concat_tables(group).sort_by("id") for group in (new, changed, rewritten))
    return Changes(new, changed, rewritten, sorted(itertools.chain(*gone)), sum(kept))


def split_changes(changes: Changes, shards: int) -> Iterator[Changes]:
    """Yield the changes of shard 0, of shard 1 and so on; ``kept`` is of all shards, and so in none of them."""
    tables = (changes.new, changes.changed, changes.rewritten, pa.table({"id": pa.array(changes.gone, pa.string())}))
    for new, changed, rewritten, gone in zip(*(rows_by_shard(table, shards) for table in tables), strict=True):
        yield Changes(new, changed, rewritten, gone["id"].to_pylist(), 0)


def conform(listing: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a listing with its metadata columns typed and ordered as a gallery's.

    Whole numbers become floats where the gallery has floats, and a column without any value takes the gallery's type.

    Raises:
        GalleryError: other metadata columns than the gallery's, or another type; an update keeps the columns.
    """
    have, wanted = _metadata(listing.schema), _metadata(schema)
    advice = "an update keeps the metadata columns; build the gallery anew to change them"
    if set(have) != set(wanted):
        raise GalleryError(f"the listing has the metadata columns {have}, the gallery has {wanted}: {advice}")
    fixed = [name for name in listing.schema.names if name not in have]
    columns: list[Any] = [listing[name] for name in fixed]
    for name in wanted:
        column, kind = listing[name], schema.field(name).type
        if column.type != kind:
            widens = pa.types.is_integer(column.type) and pa.types.is_floating(kind)
            if not widens and not pa.types.is_null(column.type):
                raise GalleryError(f"metadata column {name!r} is {column.type} here, {kind} in the gallery: {advice}")
            column = column.cast(kind)
        columns.append(column)
    fields = [listing.schema.field(name) for name in fixed] + [schema.field(name) for name in wanted]
    return pa.table(columns, schema=pa.schema(fields))


def _metadata(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if name not in OWN]


def _equal(left: Any, right: Any) -> Any:
    """Return whether two columns are equal row by row: null equals null, and not-a-number itself."""
    equal = pc.fill_null(pc.equal(left, right), False)
    if pa.types.is_floating(left.type):
        equal = pc.or_(equal, pc.fill_null(pc.and_(pc.is_nan(left), pc.is_nan(right)), False))
    return pc.or_(equal, pc.and_(pc.is_null(left), pc.is_null(right)))


def _all(masks: Sequence[Any]) -> Any:
    whole = masks[0]
    for mask in masks[1:]:
        whole = pc.and_(whole, mask)
    return whole


def _first_twice(ids: pa.ChunkedArray) -> str:
    counts = pc.value_counts(ids).to_pylist()
    return min(str(count["values"]) for count in counts if count["counts"] > 1)
