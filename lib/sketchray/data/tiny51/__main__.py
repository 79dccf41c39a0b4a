"""``python -m sketchray.data.tiny51``: build the development set from your own downloads."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sketchray.data.tiny51.build import PHOTOS, SKETCHES, build_tiny51


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 after one clear line about what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.data.tiny51",
        description="Build tiny-51 (for SKETCHRAY_DATA) from downloads of Tiny-ImageNet and Quick, Draw!.",
    )
    parser.add_argument("--tiny-imagenet", type=Path, required=True, metavar="DIR", help="has train/<wnid>/images/")
    parser.add_argument("--quickdraw", type=Path, required=True, metavar="DIR", help="has <word>.ndjson files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where it shall lie")
    parser.add_argument("--photos", type=int, default=PHOTOS, help="of each class (%(default)s)")
    parser.add_argument("--sketches", type=int, default=SKETCHES, help="of each class (%(default)s)")
    options = parser.parse_args(argv)
    try:
        record = build_tiny51(
            options.tiny_imagenet, options.quickdraw, options.out, photos=options.photos, sketches=options.sketches
        )
    except (OSError, ValueError) as error:
        print(f"tiny51: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"root": str(options.out), **record}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
