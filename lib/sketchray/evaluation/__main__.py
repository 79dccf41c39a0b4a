"""Audit features, whoever made them: every variant of every metric in one table.

    python -m sketchray.evaluation QUERIES GALLERY [--json FILE] [--markdown FILE] [--plot FILE]

QUERIES and GALLERY are Parquet files with the columns id, class_name and embedding; the gallery is ranked by cosine. A
gallery item without a class, or of a class that no query has, is a distractor.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sketchray.evaluation.binary import fit_itq
from sketchray.evaluation.features import read_features
from sketchray.evaluation.plot import precision_plot
from sketchray.evaluation.report import Report, Row
from sketchray.evaluation.retrieval import evaluate


def main(argv: Sequence[str] | None = None) -> int:
    """Run the audit; return 0, or 2 after one clear line about a mistake in the input."""
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.evaluation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("queries", type=Path, metavar="QUERIES")
    parser.add_argument("gallery", type=Path, metavar="GALLERY")
    parser.add_argument("--bits", type=int, help="also rank binary codes of this length (ITQ fitted on the gallery)")
    parser.add_argument("--transductive", action="store_true", help="the features were made with the gallery's help")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as a page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write precision over rank as SVG")
    args = parser.parse_args(argv)
    try:
        report = audit(args.queries, args.gallery, bits=args.bits, transductive=args.transductive)
        if args.json:
            args.json.write_text(json.dumps(document(report), indent=2), encoding="utf-8")
        if args.markdown:
            args.markdown.write_text(report.markdown(), encoding="utf-8")
        if args.plot:
            args.plot.write_text(precision_plot(report.rows), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 2
    print(report.text())
    return 0


def audit(queries: Path, gallery: Path, *, bits: int | None = None, transductive: bool = False) -> Report:
    """Evaluate the features of two files, and their binary codes if a length is given.

    Raises:
        ValueError: a file is not readable as features, the two do not fit, or there are not so many bits.
    """
    asked, given = read_features(queries), read_features(gallery)

    def row(name: str, query_ND: Any, gallery_ND: Any, *, transductive: bool) -> Row:
        evaluation = evaluate(query_ND, asked.classes, gallery_ND, given.classes)
        return Row(**evaluation.model_dump(), name=name, setting="audit", transductive=transductive)

    rows = [row("features", asked.embedding_ND, given.embedding_ND, transductive=transductive)]
    if bits is not None:
        itq = fit_itq(given.embedding_ND, bits=bits)
        codes = (itq.encode(asked.embedding_ND), itq.encode(given.embedding_ND))
        rows.append(row(f"{bits} bits", *codes, transductive=True))
    return Report(
        title="Audit of features",
        protocol={"queries": queries.name, "gallery": gallery.name, "ranking": "cosine", "bits": bits},
        rows=rows,
    )


def document(report: Report) -> dict[str, Any]:
    """Return the report as JSON, with the numbers of the features themselves (the first row) at its top level."""
    return report.rows[0].model_dump(mode="json", exclude={"name", "setting"}) | report.model_dump(mode="json")


if __name__ == "__main__":
    sys.exit(main())
