"""Build the starter set: fetch, sort out, render, lay out."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sketchray.data.starter.attribution import attribution
from sketchray.data.starter.drawings import pack_npz, read_drawings
from sketchray.data.starter.fetch import fetch
from sketchray.data.starter.packages import PACKAGES, QUICKDRAW
from sketchray.data.starter.pictures import Picture, read_pictures
from sketchray.data.starter.placing import alone, staging
from sketchray.data.starter.render import render_files
from sketchray.data.starter.spec import DONE, StarterConfig, chosen_words, read_done, spec_digest
from sketchray.data.starter.words import SEEN, UNSEEN, Word, read_words

DEFAULT_ROOT = Path(".sketchray/data/starter")
DEFAULT_CACHE = Path(".sketchray/cache")


def build_starter(
    root: Path = DEFAULT_ROOT,
    *,
    cache: Path = DEFAULT_CACHE,
    config: StarterConfig | None = None,
    processes: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Build the starter set, or find it built.

    The folder appears at ``root`` complete or not at all; an older starter set there is replaced. Builds of one root
    wait for each other. The layout is that of the ``folder`` reader: ``photos/<word>/``, ``gallery/``,
    ``sketches28/<word>.npz``, ``split.json``; beside it ``names.json`` (code -> name of the emoji), ``ATTRIBUTION.md``
    and the record ``DONE.json``.

    Args:
        root: where it shall lie.
        cache: folder of the downloaded packages.
        config: how much of it; all when None.
        processes: renderers; one a core when None.
        progress: show progress bars on stderr.

    Returns:
        The record: spec, packages with their integrity hashes, picture size, counts.

    Raises:
        FetchError: a package could not be fetched; IntegrityError when its hash is not the pinned one.
        ValueError: an unknown word, or ``root`` holds something that no build of ours made.
    """
    config = config or StarterConfig()
    spec, words = spec_digest(config), chosen_words(config)
    done = read_done(root)
    if done is not None and done.get("spec") == spec:
        return done
    with alone(root):
        done = read_done(root)
        if done is not None and done.get("spec") == spec:
            return done
        if done is None and root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ValueError(f"{root} exists and is no starter set; choose another root or move it away")
        bar = partial(tqdm, disable=not progress, mininterval=0.5)
        tarballs = {package.name: fetch(package, cache) for package in bar(PACKAGES, desc="packages", unit="package")}
        with staging(root) as folder:
            drawings = _write_drawings(folder, words, tarballs[QUICKDRAW.name], config.drawings)
            pictures, names = read_pictures(tarballs)
            labelled, rest = _sort_out(pictures, words)
            places = labelled | dict(sorted(rest.items())[: config.gallery])
            for parent in sorted({(folder / place).parent for place in places}):
                parent.mkdir(parents=True, exist_ok=True)
            tasks = [(folder / place, picture.data) for place, picture in places.items()]
            rendered = render_files(tasks, config.size, processes)
            for _ in bar(rendered, total=len(tasks), desc="pictures", unit="picture"):
                pass
            split = {name: [row.word for row in words if row.split == name] for name in (SEEN, UNSEEN)}
            _write_json(folder / "split.json", split)
            codes = {picture.code for picture in places.values()}
            _write_json(folder / "names.json", {code: name for code, name in names.items() if code in codes})
            (folder / "ATTRIBUTION.md").write_text(attribution(), encoding="utf-8")
            record = {
                "spec": spec,
                "packages": {str(package): package.integrity for package in PACKAGES},
                "size": config.size,
                "counts": {
                    "seen_words": len(split[SEEN]),
                    "unseen_words": len(split[UNSEEN]),
                    "drawings": drawings,
                    "labelled_pictures": len(labelled),
                    "gallery_pictures": len(places) - len(labelled),
                },
            }
            _write_json(folder / DONE, record)
    return record


def _write_drawings(folder: Path, words: tuple[Word, ...], tarball: Path, limit: int | None) -> int:
    drawings = read_drawings(tarball, [row.word for row in words], limit)
    (folder / "sketches28").mkdir()
    for row in words:
        (folder / "sketches28" / f"{row.folder}.npz").write_bytes(pack_npz(drawings[row.word]))
    return sum(len(images) for images in drawings.values())


def _sort_out(pictures: Iterable[Picture], words: tuple[Word, ...]) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """Give every picture its place, relative to the root: those of the words, and those of no word in the table."""
    row_of = {code: row for row in words for code in row.codes}
    taken = {code for row in read_words() for code in row.codes}
    labelled, rest = {}, {}
    for picture in pictures:
        if picture.code in row_of:
            labelled[f"photos/{row_of[picture.code].folder}/{picture.stem}.png"] = picture
        elif picture.code not in taken:
            rest[f"gallery/{picture.stem}.png"] = picture
    return labelled, rest


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
