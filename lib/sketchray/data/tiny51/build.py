"""Make the folder layout of tiny-51 from downloads of Tiny-ImageNet and Quick, Draw!.

The first pictures and drawings by number are taken, so that two builds from the same downloads are the same; a copy of
the set that somebody else chose from them need not be.
"""

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from sketchray.data.protocols import normalise

PHOTOS, SKETCHES = 300, 100
_STROKE_FILE = re.compile(r"(full_(raw|simplified)_)?(?P<word>.+)\.ndjson(\.gz)?")


def build_tiny51(
    tiny_imagenet: Path, quickdraw: Path, out: Path, *, photos: int = PHOTOS, sketches: int = SKETCHES
) -> dict[str, int]:
    """Write ``photos/``, ``strokes/`` and ``split.json`` below a folder.

    Args:
        tiny_imagenet: the unpacked archive, with ``train/<wnid>/images/``.
        quickdraw: ``<word>.ndjson[.gz]`` files, raw or simplified, as they are downloaded.
        out: where it shall lie; what is there already is written again.
        photos: of each class, in equal shares from each of its ImageNet ids.
        sketches: at most so many drawings of each class, of those that Quick, Draw! recognised.

    Returns:
        Numbers of classes, photos and sketches written.

    Raises:
        ValueError: a download lacks a class (all that are missing are named), has too few photos or no drawing of it,
            or a file is damaged.
    """
    wnids = data_file("wnids.json")
    drawings = _stroke_files(quickdraw)
    ids = [
        wnid for wnid in itertools.chain(*wnids.values()) if not (tiny_imagenet / "train" / wnid / "images").is_dir()
    ]
    if ids:
        raise ValueError(f"{tiny_imagenet}: no folder train/<wnid>/images of {', '.join(ids)}")
    if words := [word for word in wnids if normalise(word) not in drawings]:
        raise ValueError(f"{quickdraw}: no file <word>.ndjson of {', '.join(words)}")
    drawn = 0
    (out / "strokes").mkdir(parents=True, exist_ok=True)
    for word, of_word in wnids.items():
        folder = word.replace(" ", "_")
        (out / "photos" / folder).mkdir(parents=True, exist_ok=True)
        for path in _photos(tiny_imagenet, of_word, photos):
            (out / "photos" / folder / path.name).write_bytes(path.read_bytes())
        lines = list(itertools.islice(_recognised(drawings[normalise(word)]), sketches))
        if not lines:
            raise ValueError(f"{drawings[normalise(word)]}: no recognised drawing in it")
        drawn += len(lines)
        (out / "strokes" / f"{folder}.ndjson.gz").write_bytes(gzip.compress(b"\n".join(lines) + b"\n", mtime=0))
    (out / "split.json").write_text(json.dumps(data_file("split.json"), indent=1), encoding="utf-8")
    return {"classes": len(wnids), "photos": photos * len(wnids), "sketches": drawn}


def data_file(name: str) -> dict[str, list[str]]:
    """Return ``split.json`` (seen and unseen words) or ``wnids.json`` (ImageNet ids by word)."""
    lists: dict[str, list[str]] = json.loads((files(__package__) / name).read_text(encoding="utf-8"))
    return lists


def _photos(root: Path, wnids: list[str], count: int) -> Iterator[Path]:
    for place, wnid in enumerate(wnids):
        share = count // len(wnids) + (place < count % len(wnids))
        folder = root / "train" / wnid / "images"
        found = sorted(folder.glob("*.JPEG"), key=lambda path: int(path.stem.rpartition("_")[2]))
        if len(found) < share:
            raise ValueError(f"{folder}: {len(found)} pictures, fewer than {share}")
        yield from found[:share]


def _stroke_files(folder: Path) -> dict[str, Path]:
    matches = ((path, _STROKE_FILE.fullmatch(path.name)) for path in sorted(folder.glob("*.ndjson*")))
    return {normalise(match["word"]): path for path, match in matches if match}


def _recognised(path: Path) -> Iterator[bytes]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        read = 0
        try:
            for line in file:
                read += 1
                if line.strip() and json.loads(line)["recognized"]:
                    yield line.strip()
        except (ValueError, KeyError, TypeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}, after {read} lines: not readable as drawings ({error})") from error
