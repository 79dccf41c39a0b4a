"""Which sketches ask which gallery: the settings of an evaluation."""

from typing import NamedTuple

import pyarrow as pa

from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_samples import Cast

# The released SEM-PCYC code appends so many seen samples, as a share of the unseen ones.
SEMPCYC_SHARE = 0.2


class Setting(NamedTuple):
    """One gallery and the sketches that ask it, by the name of what is then measured.

    Attributes:
        gallery: rows with ``id`` and ``class_name``, null for a distractor.
        queries: rows with ``id`` and ``class_name``.
        harmonic: the name of the harmonic mean of the two query sets, of which the second is of seen classes; None
            where there is one set only.
    """

    gallery: pa.Table
    queries: dict[str, pa.Table]
    harmonic: str | None = None


def settings(cast: Cast, config: EvaluateConfig) -> list[Setting]:
    """Return the settings of an evaluation, in the order of its report."""
    split = config.gallery_split
    made = [Setting(_labelled(cast.gallery), {f"{split} pictures": cast.queries})]
    if config.distractors:
        # A distractor is relevant to nothing, also where a query's class has photos in another split.
        gallery = _joined(_labelled(cast.gallery), _unlabelled(cast.distractors))
        made.append(Setting(gallery, {f"{split} pictures and distractors": cast.queries}))
    return made + (_generalised(cast, split) if config.generalised else [])


def _generalised(cast: Cast, split: str) -> list[Setting]:
    """Return both meanings of the generalised setting that papers have.

    AMF's: seen and unseen classes in one gallery, asked by the sketches of either apart, and the harmonic mean. That of
    the released SEM-PCYC code: unseen sketches and pictures with a fifth as many seen ones, asked and averaged as one.
    """
    gallery = _joined(_labelled(cast.gallery), _labelled(cast.seen_gallery))
    where = f"against seen and {split} pictures"
    apart = {
        f"generalised: {split} sketches {where}": cast.queries,
        f"generalised: seen sketches {where}": cast.seen_queries,
    }
    queries, pictures = (
        _joined(_labelled(unseen), _labelled(seen.slice(0, int(SEMPCYC_SHARE * unseen.num_rows))))
        for unseen, seen in ((cast.queries, cast.seen_queries), (cast.gallery, cast.seen_gallery))
    )
    name = f"generalised as in SEM-PCYC: {split} sketches and pictures with a fifth as many seen ones"
    return [
        Setting(gallery, apart, harmonic=f"generalised: harmonic mean of {split} and seen sketches"),
        Setting(pictures, {name: queries}),
    ]


def _joined(*tables: pa.Table) -> pa.Table:
    """By id again, which is the order of what scores the same."""
    return pa.concat_tables(tables).sort_by("id")


def _labelled(table: pa.Table) -> pa.Table:
    return table.select(["id", "class_name"])


def _unlabelled(table: pa.Table) -> pa.Table:
    return table.select(["id"]).append_column("class_name", pa.nulls(table.num_rows, pa.string()))
