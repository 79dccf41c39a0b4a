"""Count a copy of a benchmark dataset against the known numbers, and say what is missing or double.

    python -m sketchray.data.validate --dataset sketchy --root URI [--protocol NAME] [--json FILE]

The exit code is 0 when all is there, 1 when something differs, 2 for a wrong call or a root that is no such dataset.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sketchray.data.census import Census, take_census
from sketchray.data.protocols import get_protocol, protocols_of
from sketchray.data.reading import BENCHMARKS
from sketchray.storage import open_store

WIDTH = 400


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.data.validate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", required=True, choices=sorted(BENCHMARKS))
    parser.add_argument("--root", required=True, metavar="URI", help="its folder or s3://bucket/prefix")
    parser.add_argument("--protocol", metavar="NAME", help="one split of it; all of the dataset's without")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    options = parser.parse_args(argv)
    try:
        protocols = [get_protocol(options.protocol)] if options.protocol else protocols_of(options.dataset)
        if wrong := [protocol.name for protocol in protocols if protocol.dataset != options.dataset]:
            raise ValueError(f"protocol {wrong[0]} is not one of {options.dataset}")
        census = take_census(open_store(options.root), BENCHMARKS[options.dataset], protocols)
        if options.json:
            document = {**census.model_dump(mode="json"), "complete": census.complete}
            options.json.write_text(json.dumps(document, indent=2), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"validate: {error}", file=sys.stderr)
        return 2
    print(report(census))
    return 0 if census.complete else 1


def report(census: Census) -> str:
    """Return a census as a table with its problems below; long enumerations are cut, the JSON has them whole."""
    cells = [("", "found", "known", "")]
    for row in census.counts:
        cells.append((row.what, f"{row.found:,}", "; ".join(row.known) or "-", row.verdict))
    wide = [max(len(line[place]) for line in cells) for place in range(4)]
    lines = [f"{census.dataset} at {census.root}, laid out as {census.layout} has it"]
    lines += [f"lists: {name}" for name in census.lists] or ["lists: none of these splits"]
    lines += [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:<{wide[2]}}  {d}".rstrip() for a, b, c, d in cells]
    lines += [f"problem: {_cut(problem)}" for problem in census.problems]
    lines += [f"note: {note}" for note in census.notes]
    return "\n".join([*lines, "complete" if census.complete else "not complete"])


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH].rpartition(',')[0]}, ..."


if __name__ == "__main__":
    sys.exit(main())
