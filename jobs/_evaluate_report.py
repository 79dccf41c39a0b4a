"""The report of an evaluation: what was compared under which rules, and what must be known before it is quoted."""

from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_samples import Cast
from sketchray.data.protocols import get_protocol
from sketchray.data.raster import RASTER_VERSION
from sketchray.evaluation import Harmonic, Report, Row, Unreadable
from sketchray.evaluation.protocols import check_protocol, headline

OVERLAP = (
    "the generalised settings ask with sketches of the seen classes and hold their pictures: a trained encoder was "
    "trained on them, as in published work, so only the frozen backbone meets them for the first time"
)


def make_report(
    cast: Cast,
    config: EvaluateConfig,
    *,
    rows: list[Row],
    harmonic: tuple[Harmonic, ...],
    unreadable: tuple[Unreadable, ...],
) -> Report:
    """Put the rows under the rules they were measured by; what papers report on the protocol comes first."""
    facts: dict[str, str | int | float | None] = {
        "queries": f"sketches of the {config.query_split} classes",
        "gallery": f"photos of the {config.gallery_split} classes, every one compared",
        "samples": cast.fingerprint,
        "sketches at most of each class": config.max_queries_per_class,
        "distractors at most": config.max_distractors,
        "raster version": RASTER_VERSION,
    }
    warnings: tuple[str, ...] = (OVERLAP,) if config.generalised else ()
    first: tuple[str, ...] = ()
    if config.data.protocol is not None:
        protocol = get_protocol(config.data.protocol)
        first = headline(protocol, rows[0].metrics)
        if config.query_split == config.gallery_split == "unseen":
            classes = (table["class_name"].to_pylist() for table in (cast.queries, cast.gallery))
            checked = check_protocol(protocol, *classes)
            facts |= checked.facts
            warnings += checked.warnings
    return Report(
        title=f"Retrieval of {config.gallery_split} pictures by {config.query_split} sketches",
        protocol=facts,
        rows=rows,
        harmonic=harmonic,
        headline=first,
        warnings=warnings,
        unreadable=unreadable,
    )
