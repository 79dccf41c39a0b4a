"""The validate command: what it counts, what it calls missing or double, and its exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sketchray.data import census_problems, validate
from sketchray.data.census import compare, take_census
from sketchray.data.protocols import KnownCount, KnownRange, Protocol, get_protocol
from sketchray.data.sketchy import SKETCHY
from sketchray.data.validate import main
from sketchray.storage import open_store

CLASSES = ("wine_bottle", "tree", "windmill", "car_(sedan)", "hot-air_balloon", "pizza")
EXTENSION = "EXTEND_image_sketchy_ready"


def known(**options: object) -> KnownCount:
    return KnownCount.model_validate({"modality": "photo", "part": "unseen", "origin": "measured", **options})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Protocol:
    """A protocol of six classes, whose known numbers are those of the miniature tree."""
    protocol = get_protocol("sketchy-25-sake").model_copy(
        update={
            "unseen": CLASSES[:3],
            "seen": CLASSES[3:],
            "counts": (
                known(modality="sketch", part="all", count=18),
                known(modality="sketch", count=9),
                known(count=18, gallery="listed"),
                known(count=15, gallery="dedup"),
            ),
            "ranges": (KnownRange(modality="sketch", part="all", low=3, high=3, origin="measured"),),
        }
    )
    monkeypatch.setattr(validate, "get_protocol", lambda name: protocol)
    monkeypatch.setattr(census_problems, "classes_of", lambda dataset: CLASSES)
    return protocol


@pytest.fixture
def root(dataset_tree: Callable[[str, Path], Path], tmp_path: Path) -> Path:
    return dataset_tree("sketchy-sake", tmp_path / "set")


def call(root: Path, *more: str) -> int:
    return main(["--dataset", "sketchy", "--root", str(root), *more])


def test_a_whole_copy_is_complete(root: Path, small: Protocol, capsys: pytest.CaptureFixture[str]) -> None:
    file = root.parent / "census.json"
    assert call(root, "--protocol", "small", "--json", str(file)) == 0
    said = capsys.readouterr().out
    assert "laid out as SAKE has it" in said
    assert "6 photos lie in two folders" in said
    assert said.endswith("complete\n")
    assert "as measured" in said
    document = json.loads(file.read_text())
    assert document["complete"]
    found = {row["what"]: row["found"] for row in document["counts"]}
    assert found["sketches"] == 18
    assert found["photos, listed"] == 36
    assert found["photos, dedup"] == 30
    assert found["photos of unseen classes, sketchy-25-sake, listed"] == 18
    assert document["per_class"]["car sedan"] == {"sketches": 3, "photos": 5}


def test_what_is_missing_double_or_foreign_is_named(
    root: Path, small: Protocol, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / EXTENSION / "tree" / "ext_1.jpg").unlink()
    (root / EXTENSION / "pizza" / "ext_1.jpg").write_bytes(b"")
    sketches = root / "256x256/sketch/tx_000000000000_ready"
    shutil.copy(sketches / "tree" / "tree-0.png", sketches / "tree" / "tree-0 copy.png")
    shutil.rmtree(sketches / "windmill")
    shutil.copytree(root / EXTENSION / "pizza", root / EXTENSION / "pizzas")
    assert call(root, "--protocol", "small") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[-2:] == ["1", "missing"] and line.startswith("photos of unseen") for line in lines)
    assert any(line.split()[-2:] == ["2", "missing"] and line.startswith("sketches of unseen") for line in lines)
    assert "problem: classes without sketches (1): windmill" in lines
    assert "problem: classes that are not Sketchy's (1): pizzas" in lines
    assert "problem: classes without 3 sketches, as measured (1): tree (4)" in lines
    assert any(line.startswith("problem: empty files (2): EXTEND") for line in lines)
    assert lines[-1] == "not complete"


def test_a_part_of_a_download_is_told_what_it_lacks(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(root) == 1
    said = capsys.readouterr().out
    assert "75,481 measured; 75,479 reported; 75,471 nominal" in said
    assert "75,463 missing" in said
    assert "17,126 derived" in said
    assert "problem: missing classes (119 of 125): airplane, alarm clock" in said
    assert max(map(len, said.splitlines())) <= validate.WIDTH + 20


def test_lists_are_held_against_the_tree(root: Path, small: Protocol) -> None:
    (root / "zeroshot1").mkdir()
    for kind, folder in (
        ("sketch_tx_000000000000_ready", "256x256/sketch/tx_000000000000_ready"),
        ("all_photo", EXTENSION),
    ):
        for part, words in (("train", CLASSES[3:]), ("zero", CLASSES[:3])):
            files = [path.relative_to(root) for word in words for path in sorted((root / folder / word).iterdir())]
            (root / "zeroshot1" / f"{kind}_filelist_{part}.txt").write_text("".join(f"{file} 0\n" for file in files))
    assert take_census(open_store(str(root)), SKETCHY, [small]).complete
    (root / EXTENSION / "tree" / "ext_1.jpg").rename(root / EXTENSION / "tree" / "ext_9.jpg")
    census = take_census(open_store(str(root)), SKETCHY, [small])
    assert census.lists == ("zeroshot1 (sketchy-25-sake)",)
    assert census.problems == (f"pictures missing that the lists of zeroshot1 name (1): {EXTENSION}/tree/ext_1.jpg",)


def test_a_copy_without_repeats_is_told_so(
    dataset_tree: Callable[[str, Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(dataset_tree("sketchy-tvt", tmp_path / "set"), "--protocol", "sketchy-21") == 1
    said = capsys.readouterr().out
    assert "'listed' gallery of most papers cannot be had" in said
    assert "10,453 measured" in said
    assert "12,553" not in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--protocol", "sketchy-25"], "say sketchy-25-sake or sketchy-25-sempcyc"),
        (["--protocol", "quickdraw-30"], "quickdraw-30 is not one of sketchy"),
        (["--root", "s3:/x"], "not laid out as Sketchy"),
        (["--root", "ftp://x"], "a store is s3://"),
    ],
)
def test_a_wrong_call_is_one_clear_line(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert call(root, *arguments) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert not said.out


def test_an_unknown_dataset_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--dataset", "sketches", "--root", "."])
    assert caught.value.code == 2


def test_counts_are_compared_with_every_known_number() -> None:
    numbers = [known(count=100), known(count=90, origin="nominal")]
    assert [compare("x", found, numbers).verdict for found in (100, 90, 97, 103)] == [
        "as measured",
        "as nominal",
        "3 missing",
        "3 too many",
    ]
    assert [compare("x", found, numbers).fits for found in (100, 90, 97, 103)] == [True, True, False, False]
    about = [known(count=1000, origin="nominal", rounded=True)]
    assert [compare("x", found, about).fits for found in (950, 949, 1050, 1051)] == [True, False, True, False]
    assert compare("x", 960, about).verdict == "about as nominal"
    assert compare("x", 5, []).verdict == "not known"
