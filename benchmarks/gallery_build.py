"""Building a gallery beside a plain torch loop, and updating one per cent of it.

    SKETCHRAY_DATA=... python -m benchmarks.gallery_build [--pictures 10000] [--size 224]

The pictures are those of tiny-51's ``gallery`` folder under other names. The plain loop is one process: a
``DataLoader`` with as many decoding workers as the build has, then the same encoder in the same batches with as many
torch threads as the build has in all. It reads the same files and decodes them by the same function, and keeps the
vectors; it makes no thumbnail, stores nothing and builds no shard. Start-up is taken off both: the loop's clock starts
with the model loaded; of the build the seconds are taken off that the same command takes for one batch of pictures; of
the update those that it takes for one new picture.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.running import job
from jobs._index_config import IndexResources
from sketchray.data.images import decode_image, to_rgb
from sketchray.data.transforms import draft_side, prepare_photo
from sketchray.encoders import load_encoder

BATCH = 32
CHANGED = 0.01


class Pictures(Dataset[np.ndarray]):
    """Decoded pictures of a folder, by name."""

    def __init__(self, folder: Path, size: int) -> None:
        self.paths, self.size = sorted(folder.iterdir()), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> np.ndarray:
        image = to_rgb(decode_image(self.paths[place].read_bytes(), draft_size=draft_side(self.size)))
        return prepare_photo(image, self.size)


def plain_loop(folder: Path, encoder: str, size: int, *, workers: int, threads: int) -> float:
    """Return the seconds in which a plain loop embeds a folder."""
    torch.set_num_threads(threads)
    model = load_encoder(encoder).eval()
    started = time.perf_counter()
    vectors = []
    with torch.inference_mode():
        for images in DataLoader(Pictures(folder, size), batch_size=BATCH, num_workers=workers):
            vectors.append(model(images, torch.ones(len(images), dtype=torch.bool)).numpy())
    assert len(np.concatenate(vectors)) == len(Pictures(folder, size))
    return time.perf_counter() - started


def repeat(source: Path, target: Path, count: int, *, first: int = 0) -> None:
    """Link the pictures of a folder under as many names as wanted."""
    target.mkdir(parents=True, exist_ok=True)
    paths = sorted(source.iterdir())
    for number in range(first, first + count):
        path = paths[number % len(paths)]
        try:
            os.link(path, target / f"{number:07d}{path.suffix}")
        except OSError:  # another file system
            shutil.copyfile(path, target / f"{number:07d}{path.suffix}")


def change(folder: Path, count: int, *, pictures: int) -> None:
    """Replace, remove and add pictures: a third each."""
    paths = sorted(folder.iterdir())[:: max(1, pictures // count)][:count]
    for number, path in enumerate(paths):
        if number % 3 == 0:
            with Image.open(path) as image:
                turned = image.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            path.unlink()
            turned.save(path)
        elif number % 3 == 1:
            path.unlink()
        else:
            shutil.copyfile(path, path.with_name(f"new-{path.name}"))


def index(verb: str, gallery: str, folder: Path, *options: str) -> dict[str, Any]:
    """Run a verb of ``jobs.index`` over a folder."""
    return job("index", None, verb, f"gallery={gallery}", f"source=file://{folder}", *options)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--plain", type=Path, help=argparse.SUPPRESS)  # the loop in a process of its own
    args = parser.parse_args()
    encoder, resources = f"frozen:efficientnet_lite0@{args.size}", IndexResources()
    workers, threads = resources.decode_tasks, resources.actors * resources.threads
    if args.plain:
        print(plain_loop(args.plain, encoder, args.size, workers=workers, threads=threads))
        return 0

    pictures = Path(os.environ["SKETCHRAY_DATA"]) / "gallery"
    with TemporaryDirectory() as scratch:
        os.environ["SKETCHRAY_STORE"] = f"file://{scratch}/store"
        few, many = Path(scratch) / "few", Path(scratch) / "many"
        repeat(pictures, few, BATCH)
        repeat(pictures, many, args.pictures)
        start_up = index("build", "few", few, f"encoder={encoder}")["wall_s"]
        command = [sys.executable, __file__, "--size", str(args.size), "--plain", str(many)]
        plain = float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])
        built = index("build", "many", many, f"encoder={encoder}")
        change(many, round(CHANGED * args.pictures), pictures=args.pictures)
        repeat(pictures, few, 1, first=BATCH)
        idle = index("update", "few", few)["wall_s"]
        updated = index("update", "many", many)
        build = built["wall_s"] - start_up
        update = updated["wall_s"] - idle
        print(f"\n{args.pictures:,} pictures at {args.size} px; {workers} decoding, {threads} embedding")
        print(f"plain loop: {plain:.1f} s, {args.pictures / plain:.1f} pictures a second")
        print(f"build: {build:.1f} s and {start_up:.1f} s of start-up, {args.pictures / build:.1f} pictures a second")
        print(f"build over plain loop: {plain / build:.2f}")
        print(
            f"update of {CHANGED:.0%}: {update:.1f} s and {idle:.1f} s of start-up; {update / build:.1%} of the build"
        )
        print(json.dumps({"build": built, "update": updated}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
