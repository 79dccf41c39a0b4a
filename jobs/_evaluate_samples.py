"""Which samples take part in an evaluation, and as what."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jobs._evaluate_config import EvaluateConfig
from sketchray.config import ConfigError
from sketchray.data.samples import data_fingerprint


class Cast(NamedTuple):
    """The samples of an evaluation by their part in it; each table is sorted by id."""

    queries: pa.Table
    gallery: pa.Table
    distractors: pa.Table

    @property
    def all(self) -> pa.Table:
        """All of them in one table."""
        return pa.concat_tables(self)

    @property
    def fingerprint(self) -> str:
        """What names this choice of samples, wherever they lie."""
        return "-".join(data_fingerprint(table) for table in self)


def choose_samples(samples: pa.Table, config: EvaluateConfig) -> Cast:
    """Choose queries, labelled gallery and distractors from a dataset's sample table.

    Raises:
        ConfigError: there are no queries, or no pictures to find.
    """
    samples = samples.sort_by("id")
    sketch, photo = pc.equal(samples["modality"], "sketch"), pc.equal(samples["modality"], "photo")
    wanted = pc.equal(samples["split"], config.gallery_split)
    queries = samples.filter(pc.and_(sketch, pc.equal(samples["split"], config.query_split)))
    gallery = samples.filter(pc.and_(photo, wanted))
    for what, table, split in (("sketches", queries, config.query_split), ("photos", gallery, config.gallery_split)):
        if not table.num_rows:
            raise ConfigError(f"the dataset has no {what} in its {split!r} split")
    others = samples.filter(pc.and_(photo, pc.invert(wanted))) if config.distractors else samples.slice(0, 0)
    # An id is a digest: the first ones are a random choice, and the same one each time.
    return Cast(
        queries=_first_of_each_class(queries, config.max_queries_per_class),
        gallery=gallery,
        distractors=others.slice(0, config.max_distractors),
    )


def _first_of_each_class(table: pa.Table, count: int | None) -> pa.Table:
    if count is None:
        return table
    seen: dict[str, int] = {}
    keep = []
    for name in table["class_name"].to_pylist():
        seen[name] = seen.get(name, 0) + 1
        keep.append(seen[name] <= count)
    return table.filter(pa.array(keep))
