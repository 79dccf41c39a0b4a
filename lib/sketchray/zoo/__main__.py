"""Put an encoder among those that come with the library: ``python -m sketchray.zoo PACKAGE NAME [--card FILE]``."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from sketchray import zoo
from sketchray.encoders import from_pretrained, read_package_config, save_pretrained
from sketchray.storage import open_store

LARGEST = 12_000_000  # bytes of all its files: everybody who installs the library has them


def main(argv: list[str] | None = None) -> int:
    """Round a package to half its size and put it here; print its record as JSON."""
    parser = argparse.ArgumentParser(prog="python -m sketchray.zoo", description=__doc__.splitlines()[0])
    parser.add_argument("package", help="what `train` made: a URI or path")
    parser.add_argument("name", help="the bare name; what is there under it is replaced")
    parser.add_argument("--card", type=Path, metavar="FILE", help="its README.md (the trainer's)")
    args = parser.parse_args(argv)
    try:
        print(json.dumps(ship(args.package, args.name, args.card.read_text() if args.card else None)))
    except (ValueError, OSError) as error:
        print(f"zoo: {error}", file=sys.stderr)
        return 2
    return 0


def ship(package: str, name: str, card: str | None) -> dict[str, Any]:
    """Write the package `name` of this folder from another one.

    Returns:
        ``name``, ``fingerprint``, ``made_from`` (the fingerprint before rounding) and ``bytes``.

    Raises:
        ValueError: the package cannot be used, does not fit float16, or is too large.
    """
    encoder, config = from_pretrained(package), read_package_config(package)
    source = open_store(zoo.package_uri(package))
    with tempfile.TemporaryDirectory() as folder:
        made = f"{folder}/{name}"
        fingerprint = save_pretrained(
            encoder,
            made,
            metadata=config["metadata"] | {"made_from": encoder.fingerprint},
            card=source.read("README.md").decode() if card is None else card,
            figures={
                key: source.read(key).decode() for key in (entry.key for entry in source.list()) if is_figure(key)
            },
            dtype="float16",
        )
        size = sum(path.stat().st_size for path in Path(made).iterdir() if not path.name.startswith("."))
        if size > LARGEST:
            raise ValueError(f"{package} takes {size} bytes even so, more than {LARGEST}")
        shutil.rmtree(zoo.ZOO / name, ignore_errors=True)
        shutil.copytree(made, zoo.ZOO / name, ignore=shutil.ignore_patterns(".*"))
    return {"name": name, "fingerprint": fingerprint, "made_from": encoder.fingerprint, "bytes": size}


def is_figure(key: str) -> bool:
    """Tell whether a file of a package is one that its card shows."""
    return key.endswith(".svg")


if __name__ == "__main__":
    sys.exit(main())
