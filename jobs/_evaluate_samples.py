"""Which samples take part in an evaluation, and as what."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jobs._evaluate_config import EvaluateConfig
from sketchray.config import ConfigError
from sketchray.data.samples import data_fingerprint


class Cast(NamedTuple):
    """The samples of an evaluation by their part in it; each table is sorted by id.

    Attributes:
        queries, gallery: sketches that ask and labelled photos that are asked for.
        distractors: all other pictures.
        seen_queries, seen_gallery: sketches and photos of the seen classes, for the generalised setting; empty else.
    """

    queries: pa.Table
    gallery: pa.Table
    distractors: pa.Table
    seen_queries: pa.Table
    seen_gallery: pa.Table

    @property
    def all(self) -> pa.Table:
        """All of them in one table, each once."""
        table = pa.concat_tables(self)
        first = dict(zip(reversed(table["id"].to_pylist()), range(table.num_rows - 1, -1, -1), strict=True))
        return table.take(sorted(first.values()))

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
    photo = pc.equal(samples["modality"], "photo")

    def part(modality: str, split: str) -> pa.Table:
        table = samples.filter(pc.and_(pc.equal(samples["modality"], modality), pc.equal(samples["split"], split)))
        if not table.num_rows:
            raise ConfigError(
                f"the dataset has no {'sketches' if modality == 'sketch' else 'photos'} in its {split!r} split"
            )
        return table

    queries, gallery = part("sketch", config.query_split), part("photo", config.gallery_split)
    others = samples.filter(pc.and_(photo, pc.not_equal(samples["split"], config.gallery_split)))
    seen = [part(modality, "seen") if config.generalised else samples.slice(0, 0) for modality in ("sketch", "photo")]
    # An id is a digest: the first ones are a random choice, and the same one each time.
    return Cast(
        queries=_first_of_each_class(queries, config.max_queries_per_class),
        gallery=gallery,
        distractors=others.slice(0, config.max_distractors if config.distractors else 0),
        seen_queries=_first_of_each_class(seen[0], config.max_queries_per_class),
        seen_gallery=seen[1],
    )


def _first_of_each_class(table: pa.Table, count: int | None) -> pa.Table:
    if count is None:
        return table
    seen: dict[str, int] = {}
    keep = []
    for name in table["class_name"].to_pylist():
        seen[name] = seen.get(name, 0) + 1
        keep.append(seen[name] <= count)
    return table.filter(pa.array(keep, pa.bool_()))
