"""What is listed, what it is called, and that its ids are the folder reader's."""

import os
from pathlib import Path

import pytest

from sketchray.data.folder import read_folder
from sketchray.gallery.source import list_pictures, listing_digest
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "names.json").write_text('{"1f408": "cat face"}')
    return tmp_path


def test_pictures_are_listed_with_their_names(root: Path) -> None:
    pictures, problems = list_pictures(open_store(str(root)), exclude=("sketches/",))
    assert problems == []
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
    pictures, _ = list_pictures(store, exclude=("sketches/", "elsewhere/"))
    assert pictures["id"].to_pylist() == samples["id"].to_pylist()
    assert pictures["uri"].to_pylist() == samples["uri"].to_pylist()


def test_a_changed_picture_changes_the_digest(root: Path) -> None:
    store = open_store(str(root))
    before = listing_digest(list_pictures(store)[0])
    assert listing_digest(list_pictures(store)[0]) == before
    store.write("gallery/plain.gif", b"other bytes")
    assert listing_digest(list_pictures(store)[0]) != before


def test_a_name_that_is_not_utf8_is_a_problem_and_not_a_crash(root: Path) -> None:
    (root / os.fsdecode(b"gallery/bad\xff.png")).write_bytes(b"x")
    pictures, problems = list_pictures(open_store(str(root)))
    assert pictures.num_rows == 6
    assert [(problem["stage"], problem["reason"]) for problem in problems] == [("list", "the file's name is not UTF-8")]
    assert problems[0]["uri"].endswith("gallery/bad\\udcff.png")


@pytest.mark.parametrize("names", ["[1]", "{", '{"1f408": 3}'])
def test_names_that_are_no_mapping_are_refused(root: Path, names: str) -> None:
    (root / "names.json").write_text(names)
    with pytest.raises(ValueError, match=r"names\.json"):
        list_pictures(open_store(str(root)))


def test_an_empty_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture there"):
        list_pictures(open_store(str(tmp_path)))


def test_a_class_wins_over_a_caption() -> None:
    assert label_of("photos/sea_turtle/flat_1f408.png", {"1f408": "cat face"}) == "sea turtle"
    assert label_of("photos/flat_1f408.png", {"1f408": "cat face"}) == "cat face"
    assert label_of("1f408.png", {"1f408": "cat face"}) == "cat face"
