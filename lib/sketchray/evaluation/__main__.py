"""Audit features, whoever made them: every variant of every metric in one table.

    python -m sketchray.evaluation QUERIES GALLERY [--protocol NAME] [--ranker NAME ...] [--json FILE] ...

QUERIES and GALLERY are Parquet files with the columns id, class_name and embedding; the gallery is ranked by cosine,
and again by each ranker named. A gallery item without a class, or of a class that no query has, is a distractor.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sketchray.config import build_config
from sketchray.data.protocols import get_protocol
from sketchray.evaluation.audit import audit, write
from sketchray.evaluation.rankers import RankerConfig
from sketchray.ranking import list_rankers


def main(argv: Sequence[str] | None = None) -> int:
    """Run the audit; return 0, or 2 after one clear line about a mistake in the input."""
    args = _parser().parse_args(argv)
    try:
        report = audit(
            args.queries,
            args.gallery,
            rankers=_rankers(args),
            bits=args.bits,
            protocol=get_protocol(args.protocol) if args.protocol else None,
            transductive=args.transductive,
        )
        write(report, json_file=args.json, markdown_file=args.markdown, plot_file=args.plot)
    except (ValueError, OSError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 2
    print(report.text())
    return 0


def _rankers(args: argparse.Namespace) -> list[RankerConfig]:
    """Build the rankers named; cosine is always there, so its name adds nothing."""
    names = [name for name in dict.fromkeys(args.ranker) if name != "nearest"]
    values = {"chunks": args.chunks, "codewords": args.codewords, "fusion": args.fusion, "oracle": args.oracle_sweep}
    options = {name: value for name, value in values.items() if value is not None}
    if options and not names:
        raise ValueError(f"{', '.join(options)} given, but no --ranker that takes it")
    return [build_config(RankerConfig, {"name": name, **options}, where="ranker.") for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.evaluation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("queries", type=Path, metavar="QUERIES")
    parser.add_argument("gallery", type=Path, metavar="GALLERY")
    parser.add_argument("--protocol", metavar="NAME", help="check classes and sizes against a published split")
    parser.add_argument("--ranker", action="append", default=[], choices=list_rankers(), help="may be repeated")
    parser.add_argument("--codewords", type=_codewords, metavar="K", help="of each chunk; auto chooses without labels")
    parser.add_argument("--chunks", type=int, metavar="M", help="parts of the dimensions with codewords of their own")
    parser.add_argument("--fusion", type=float, metavar="W", help="weight of an item's own distance, 0 to 1")
    parser.add_argument("--oracle-sweep", type=_numbers, metavar="K,K,...", help="marked: labels choose")
    parser.add_argument("--bits", type=int, help="also rank binary codes of this length (ITQ fitted on the gallery)")
    parser.add_argument("--transductive", action="store_true", help="the features were made with the gallery's help")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as a page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write precision over rank as SVG")
    return parser


def _codewords(text: str) -> int | str:
    return text if text == "auto" else int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
