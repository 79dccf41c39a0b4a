"""An audit of two files of features: every variant of every metric, every ranking asked for, in one report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchray.data.protocols import Protocol
from sketchray.evaluation.binary import binary_codes
from sketchray.evaluation.features import read_features
from sketchray.evaluation.plot import precision_plot
from sketchray.evaluation.protocols import check_protocol, headline
from sketchray.evaluation.rankers import RankerConfig
from sketchray.evaluation.report import Report
from sketchray.evaluation.retrieval import evaluate
from sketchray.evaluation.rows import Row


def audit(
    queries: Path,
    gallery: Path,
    *,
    rankers: Sequence[RankerConfig] = (),
    bits: int | None = None,
    protocol: Protocol | None = None,
    transductive: bool = False,
) -> Report:
    """Evaluate the features of two files by cosine, then by other rankings, then as binary codes.

    Args:
        queries, gallery: files of features, see `read_features`.
        rankers: further rankings, each fitted once to the gallery's features.
        bits: length of binary codes (ITQ fitted to the gallery); None for none.
        protocol: the published split that these features are to be of.
        transductive: the features themselves were made with the gallery's help.

    Raises:
        ValueError: a file is not readable as features, the two do not fit each other or the protocol, or a ranking
            cannot be had of this gallery.
    """
    rankings = [ranking for config in (RankerConfig(), *rankers) for ranking in config.rankings()]
    asked, given = read_features(queries), read_features(gallery)
    query_classes, gallery_classes = asked.classes, given.classes
    facts: dict[str, str | int | float | None] = {"queries": queries.name, "gallery": gallery.name}
    warnings: tuple[str, ...] = ()
    if protocol is not None:
        query_classes, gallery_classes, told, warnings = check_protocol(protocol, query_classes, gallery_classes)
        facts |= told

    def row(query_ND: Any, gallery_ND: Any, *, about: dict[str, Any], **ranked: Any) -> Row:
        evaluation = evaluate(query_ND, query_classes, gallery_ND, gallery_classes, **ranked)
        about |= {"transductive": transductive or about["transductive"]}
        return Row(**evaluation.model_dump(), name="features", setting="audit", **about)

    rows = []
    for ranking in rankings:
        ranker = ranking.ranker()
        codebook = ranker.fit(given.embedding_ND)
        about = ranking.about(codebook)
        rows.append(row(asked.embedding_ND, given.embedding_ND, about=about, ranker=ranker, codebook=codebook))
    if bits is not None:
        codes = binary_codes(asked.embedding_ND, given.embedding_ND, bits=bits)
        rows.append(row(*codes, about={"ranking": f"{bits} bits", "transductive": True}))
    return Report(
        title="Audit of features",
        protocol=facts,
        rows=rows,
        headline=headline(protocol, rows[0].metrics) if protocol else (),
        warnings=warnings,
    )


def write(report: Report, *, json_file: Path | None, markdown_file: Path | None, plot_file: Path | None) -> None:
    """Write a report into those files that are named."""
    if json_file:
        json_file.write_text(json.dumps(document(report), indent=2), encoding="utf-8")
    if markdown_file:
        markdown_file.write_text(report.markdown(), encoding="utf-8")
    if plot_file:
        plot_file.write_text(precision_plot(report.rows), encoding="utf-8")


def document(report: Report) -> dict[str, Any]:
    """Return the report as JSON, with the numbers of the features by plain cosine (the first row) at its top level."""
    return report.rows[0].model_dump(mode="json", exclude={"name", "setting"}) | report.model_dump(mode="json")
