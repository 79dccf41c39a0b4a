"""What is listed, what it is called, and that its ids are the folder reader's."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from sketchray.data.folder import read_folder
from sketchray.gallery import source_prefixes
from sketchray.gallery.manifest import Column
from sketchray.gallery.source import LISTING, Problem, list_source
from sketchray.gallery.source_prefixes import label_of
from sketchray.storage import open_store

FILES = (
    "photos/hot_air_balloon/a.png",
    "photos/cat/nested/b.JPG",
    "gallery/flat_1f408.webp",
    "gallery/plain.gif",
    "sketches/cat/c.png",
    "elsewhere/deep/d.bmp",
    "readme.txt",
    "photos/cat/.hidden.png",
)


class Whole(NamedTuple):
    """A small source as it is listed, the pictures sorted by id."""

    pictures: pa.Table
    columns: tuple[Column, ...]
    problems: list[Problem]


def list_whole(*sources: str, exclude: Sequence[str] = ()) -> Whole:
    listing = list_source(sources, exclude=exclude)
    return Whole(listing.divide(1).pictures.rows_of(0), listing.columns, listing.problems)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "names.json").write_text('{"1f408": "cat face"}')
    return tmp_path


def test_pictures_are_listed_with_their_names(root: Path) -> None:
    pictures, columns, problems = list_whole(str(root), exclude=("sketches/",))
    assert (columns, problems) == ((), [])
    assert pictures.schema.equals(LISTING)
    assert dict(zip(pictures["key"].to_pylist(), pictures["label"].to_pylist(), strict=True)) == {
        "photos/hot_air_balloon/a.png": "hot air balloon",
        "photos/cat/nested/b.JPG": "cat",
        "gallery/flat_1f408.webp": "cat face",
        "gallery/plain.gif": None,
        "elsewhere/deep/d.bmp": None,
    }
    assert pictures["uri"].to_pylist() == [f"file://{root}/{key}" for key in pictures["key"].to_pylist()]
    assert pictures["id"].to_pylist() == sorted(pictures["id"].to_pylist())


def test_ids_are_those_of_the_folder_reader(root: Path) -> None:
    store = open_store(str(root))
    samples = read_folder(store, sources=("photos", "gallery"))
    pictures = list_whole(str(root), exclude=("sketches/", "elsewhere/")).pictures
    assert pictures["id"].to_pylist() == samples["id"].to_pylist()
    assert pictures["uri"].to_pylist() == samples["uri"].to_pylist()


def test_a_changed_picture_changes_the_digest(root: Path) -> None:
    store = open_store(str(root))
    before = list_source([str(root)]).divide(2).digest
    assert list_source([str(root)]).divide(2).digest == before
    store.write("gallery/plain.gif", b"other bytes")
    assert list_source([str(root)]).divide(2).digest != before


def test_a_name_that_is_not_utf8_is_a_problem_and_not_a_crash(root: Path) -> None:
    (root / os.fsdecode(b"gallery/bad\xff.png")).write_bytes(b"x")
    pictures, _, problems = list_whole(str(root))
    assert pictures.num_rows == 6
    assert [(problem["stage"], problem["reason"]) for problem in problems] == [("list", "the file's name is not UTF-8")]
    assert problems[0]["uri"].endswith("gallery/bad\\udcff.png")


@pytest.mark.parametrize("names", ["[1]", "{", '{"1f408": 3}'])
def test_names_that_are_no_mapping_are_refused(root: Path, names: str) -> None:
    (root / "names.json").write_text(names)
    with pytest.raises(ValueError, match=r"names\.json"):
        list_whole(str(root))


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture there"):
        list_whole(str(tmp_path))


def test_a_further_prefix_leaves_the_ids_that_there_were(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("photos/cat/nested/b.JPG", "gallery/new.png"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes(b"another picture")
    alone, both = list_whole(str(root)), list_whole(str(root), str(other))
    assert both.problems == []
    assert both.pictures.num_rows == alone.pictures.num_rows + 2
    ids, before = ({row["uri"]: row["id"] for row in listing.pictures.to_pylist()} for listing in (both, alone))
    assert len(set(ids.values())) == len(ids)
    assert ids.items() > before.items()
    third = list_whole(str(root), f"{root}-none", str(other)).pictures
    assert third.equals(both.pictures)


@pytest.mark.parametrize("order", [("", "/photos"), ("/photos", "")])
def test_a_picture_under_two_prefixes_is_listed_once_and_said(root: Path, order: tuple[str, str]) -> None:
    sources = [f"{root}{part}" for part in order]
    pictures, _, problems = list_whole(*sources)
    assert len(set(pictures["uri"].to_pylist())) == pictures.num_rows == 6
    twice = {f"file://{root}/{name}" for name in FILES if name.startswith("photos/") and ".hidden" not in name}
    assert {problem["uri"] for problem in problems} == twice
    assert {problem["reason"] for problem in problems} == {f"it is listed already, under file://{sources[0]}"}


def test_what_a_prefix_excludes_another_may_list(root: Path) -> None:
    pictures, _, problems = list_whole(str(root), f"{root}/sketches", exclude=("sketches/",))
    assert problems == []
    assert f"file://{root}/sketches/cat/c.png" in pictures["uri"].to_pylist()


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "there is no source"),
        (["/a", "/b", "file:///a/"], "file:///a: this source is named twice"),
        (["/a", "/b/t.csv"], r"file:///b/t\.csv: a table of URIs is a source alone; beside it is file:///a, file:///b"),
    ],
)
def test_sources_that_do_not_go_together_are_refused(sources: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list_source(sources)


def test_a_listing_in_chunks_is_the_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list_whole(str(root)).pictures
    monkeypatch.setattr(source_prefixes, "CHUNK", 2)
    assert list_whole(str(root)).pictures.equals(whole)


def test_a_class_wins_over_a_caption() -> None:
    assert label_of("photos/sea_turtle/flat_1f408.png", {"1f408": "cat face"}) == "sea turtle"
    assert label_of("photos/flat_1f408.png", {"1f408": "cat face"}) == "cat face"
    assert label_of("1f408.png", {"1f408": "cat face"}) == "cat face"
