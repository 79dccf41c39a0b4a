"""More words to train on: the seen classes of other datasets beside those of the one that is evaluated."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.data.samples import SAMPLE_SCHEMA, sample_id


def join_seen(samples: pa.Table, others: Sequence[pa.Table], *, per_class: int | None = None) -> pa.Table:
    """Return a sample table with the labelled ``seen`` rows of others added to it.

    A class that is ``unseen`` or held out (``val``) in the first table is left out of the others, whatever they say of
    it: so what is evaluated there stays unseen. Equal words are one class.

    Args:
        samples: the table whose splits count.
        others: tables to take from.
        per_class: at most so many sketches and as many photos of each class from each of the others, the first by id.

    Returns:
        A table sorted by id. The rows of the first keep their ids; those of the others get ids that name the table by
        its place, since two datasets in one layout may have rows of one id.
    """
    kept_back = pc.unique(samples["class_name"].filter(pc.is_in(samples["split"], value_set=_strings("unseen", "val"))))
    tables = [samples]
    for place, other in enumerate(others):
        good = pc.and_(
            pc.and_(pc.equal(other["split"], "seen"), pc.is_valid(other["class_name"])),
            pc.invert(pc.is_in(other["class_name"], value_set=kept_back.drop_null())),
        )
        rows = _first_of_each(other.filter(good).sort_by("id"), per_class)
        renamed = [sample_id(f"joined {place}: {identity}") for identity in rows["id"].to_pylist()]
        tables.append(rows.set_column(0, SAMPLE_SCHEMA.field("id"), _strings(*renamed)))
    return pa.concat_tables(tables).sort_by("id")


def _first_of_each(samples: pa.Table, count: int | None) -> pa.Table:
    if count is None:
        return samples
    met: dict[tuple[str, str], int] = {}
    keep = []
    for group in zip(samples["class_name"].to_pylist(), samples["modality"].to_pylist(), strict=True):
        met[group] = met.get(group, 0) + 1
        keep.append(met[group] <= count)
    return samples.filter(pa.array(keep, pa.bool_()))


def _strings(*values: str) -> pa.Array:
    return pa.array(values, pa.string())
