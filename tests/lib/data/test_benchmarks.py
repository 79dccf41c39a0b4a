"""The benchmark readers on miniature trees of every layout, with lists and without, listed and de-duplicated."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sketchray.data.folder import DatasetError
from sketchray.data.loading import SampleError, SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.samples import SAMPLE_SCHEMA
from sketchray.storage import open_store

Build = Callable[[str, Path], Path]
SKETCHES = "256x256/sketch/tx_000000000000_ready"
ORIGINALS = "256x256/photo/tx_000000000000_ready"
EXTENSION = "EXTEND_image_sketchy_ready"


def read(root: Path | str, protocol: str | None, **options: object) -> pa.Table:
    reader = {"s": "sketchy", "t": "tuberlin", "q": "quickdraw"}[(protocol or "sketchy")[0]]
    values = {"reader": reader, "root": str(root), "protocol": protocol, "partial": True}
    return read_samples(DataConfig.model_validate({**values, **options}))


def classes(table: pa.Table, split: str) -> set[str]:
    return {row["class_name"] for row in table.to_pylist() if row["split"] == split}


def counts(table: pa.Table) -> Counter[tuple[str, str]]:
    return Counter(zip(table["modality"].to_pylist(), table["split"].to_pylist(), strict=True))


@pytest.fixture
def sake(dataset_tree: Build, tmp_path: Path) -> Path:
    return dataset_tree("sketchy-sake", tmp_path / "set")


def write_lists(root: Path, folder: str = "zeroshot1") -> Path:
    """Write SAKE's lists: wine bottles and trees unseen, the third seen sketch of each class held out."""
    lists = root / folder
    lists.mkdir()
    lines: dict[str, list[str]] = {}
    for key in sorted(path.relative_to(root) for path in root.rglob("*.[jp][pn]g")):
        unseen = ["wine_bottle", "tree", "windmill"]
        kind = "sketch_tx_000000000000_ready" if str(key).startswith(SKETCHES) else "all_photo"
        held = kind != "all_photo" and key.stem.endswith("-2")
        part = "zero" if key.parent.name in unseen else "test" if held else "train"
        lines.setdefault(f"{kind}_filelist_{part}.txt", []).append(f"{key} {len(lines)}")
    for name, content in lines.items():
        (lists / name).write_text("\n".join(content) + "\n")
    return lists


@pytest.mark.parametrize(
    ("kind", "protocol", "unseen", "seen", "photos"),
    [
        ("sketchy-sake", "sketchy-25-sake", {"wine bottle", "tree", "windmill"}, 3, 6),
        ("sketchy-sake", "sketchy-21", {"tree", "windmill"}, 4, 6),
        ("sketchy-sempcyc", "sketchy-25-sempcyc", {"jack o lantern", "bell"}, 3, 6),
        ("sketchy-tvt", "sketchy-21", {"wheelchair", "tree"}, 3, 3),
        ("tuberlin-sake", "tuberlin-30-sake", {"hot air balloon", "t shirt"}, 3, 3),
        ("tuberlin-sempcyc", "tuberlin-30-sempcyc", {"snail", "walkie talkie"}, 3, 3),
        ("quickdraw-zse", "quickdraw-30", {"palm tree", "fire hydrant"}, 3, 3),
        ("quickdraw-doodle2search", "quickdraw-30", {"palm tree", "bat"}, 3, 3),
    ],
)
def test_every_layout_becomes_the_sample_table(
    dataset_tree: Build, tmp_path: Path, *, kind: str, protocol: str, unseen: set[str], seen: int, photos: int
) -> None:
    table = read(dataset_tree(kind, tmp_path / "set"), protocol)
    assert table.schema == SAMPLE_SCHEMA
    assert classes(table, "unseen") == unseen
    assert len(classes(table, "seen")) == seen
    n = len(unseen)
    assert counts(table) == {
        ("sketch", "unseen"): 3 * n,
        ("sketch", "seen"): 3 * seen,
        ("photo", "unseen"): photos * n,
        ("photo", "seen"): photos * seen,
    }
    loader = SampleLoader()
    for row in table.to_pylist()[::7]:
        loader.sketch(row["uri"]) if row["modality"] == "sketch" else loader.photo(row["uri"])


def test_the_root_may_be_the_folder_around_the_dataset(sake: Path, tmp_path: Path) -> None:
    shutil.copytree(sake, tmp_path / "around" / "Sketchy")
    assert counts(read(tmp_path / "around", "sketchy-21")) == counts(read(sake, "sketchy-21"))


@pytest.mark.slow
def test_a_bucket_is_read_as_the_folder_is(sake: Path, s3_store_uri: str) -> None:
    bucket = open_store(s3_store_uri)
    for path in sake.rglob("*.*g"):
        bucket.write(str(path.relative_to(sake)), path.read_bytes())
    there, here = read(s3_store_uri, "sketchy-21"), read(sake, "sketchy-21")
    assert there.drop(["uri"]) == here.drop(["uri"])
    SampleLoader().photo(next(row["uri"] for row in there.to_pylist() if row["modality"] == "photo"))


def test_listed_has_the_originals_twice_and_dedup_once(sake: Path) -> None:
    listed, dedup = (read(sake, "sketchy-21", gallery=gallery) for gallery in ("listed", "dedup"))
    assert counts(listed)["photo", "unseen"] == 2 * 6
    # Of each class one original is in the extension too, two lie by themselves only, two are the extension's own.
    assert counts(dedup)["photo", "unseen"] == 2 * 5
    assert counts(dedup)["sketch", "unseen"] == counts(listed)["sketch", "unseen"]
    twice = {row["uri"] for row in listed.to_pylist()} - {row["uri"] for row in dedup.to_pylist()}
    assert len(twice) == 6
    assert all(f"/{ORIGINALS}/" in uri and uri.endswith(" 0.jpg") for uri in twice)


def test_without_a_protocol_every_class_is_seen(sake: Path) -> None:
    assert set(read(sake, None)["split"].to_pylist()) == {"seen"}


def test_the_lists_of_the_split_say_what_counts(sake: Path) -> None:
    lists = write_lists(sake)
    names = lists / "sketch_tx_000000000000_ready_filelist_zero.txt"
    names.write_text("\n".join(names.read_text().splitlines()[1:]))
    table = read(sake, "sketchy-25-sake")
    assert counts(table) == {
        ("sketch", "seen"): 6,
        ("sketch", "val"): 3,
        ("sketch", "unseen"): 8,
        ("photo", "seen"): 18,
        ("photo", "unseen"): 18,
    }
    held = read(sake, "sketchy-25-sake", held_out=1)
    assert counts(held)["sketch", "val"] == 3
    assert len(classes(held, "val")) == 1
    # Lists of another split say nothing of this one.
    assert counts(read(sake, "sketchy-21")) == {
        ("sketch", "seen"): 12,
        ("sketch", "unseen"): 6,
        ("photo", "seen"): 24,
        ("photo", "unseen"): 12,
    }


def test_incomplete_lists_do_not_hide_the_tree(sake: Path) -> None:
    (write_lists(sake) / "all_photo_filelist_train.txt").unlink()
    assert counts(read(sake, "sketchy-25-sake")) == {
        ("sketch", "seen"): 9,
        ("sketch", "unseen"): 9,
        ("photo", "seen"): 18,
        ("photo", "unseen"): 18,
    }


def test_zses_lists_of_quickdraw_have_names_with_spaces(dataset_tree: Build, tmp_path: Path) -> None:
    root = dataset_tree("quickdraw-zse", tmp_path / "set")
    (root / "zeroshot").mkdir()
    for kind, folder in (("sketch", "sketches"), ("all_photo", "images")):
        for part, words in (("train", ["eiffel tower", "cat"]), ("zero", ["palm_tree", "fire_hydrant"])):
            files = [path.relative_to(root) for word in words for path in sorted((root / folder / word).iterdir())[:2]]
            text = "\n".join(f"./{file} {number}" for number, file in enumerate(files))
            (root / "zeroshot" / f"{kind}_{part}.txt").write_text(text)
    table = read(root, "quickdraw-30")
    assert counts(table) == {(m, s): 4 for m in ("sketch", "photo") for s in ("seen", "unseen")}
    assert classes(table, "seen") == {"eiffel tower", "cat"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no-number", r"all_photo_filelist_train\.txt, line 1: not of the form"),
        ("a/b/c.jpg x7", "line 1: not of the form"),
        (f"{EXTENSION}/pizza/ext_1.jpg 3\n{EXTENSION}/pizza/ext_1.jpg 3", "name EXTEND.*ext_1.jpg twice"),
        ("\udcff 1", "not readable as a list"),
    ],
)
def test_a_broken_list_is_named(sake: Path, line: str, reason: str) -> None:
    lists = write_lists(sake)
    (lists / "all_photo_filelist_train.txt").write_bytes(line.encode(errors="surrogateescape"))
    with pytest.raises(DatasetError, match=reason):
        read(sake, "sketchy-25-sake")


def test_listed_pictures_that_are_missing_are_an_error_unless_partial(sake: Path) -> None:
    write_lists(sake)
    (sake / EXTENSION / "pizza" / "ext_1.jpg").unlink()
    with pytest.raises(
        DatasetError, match=r"zeroshot1: its lists name pictures that are not there \(1\), as .*ext_1\.jpg"
    ):
        read(sake, "sketchy-25-sake", partial=False)
    assert counts(read(sake, "sketchy-25-sake"))["photo", "seen"] == 17


def test_a_missing_class_is_named_with_the_nearest_folder(sake: Path) -> None:
    for part in (SKETCHES, ORIGINALS, EXTENSION):
        (sake / part / "windmill").rename(sake / part / "wind_mill")
    with pytest.raises(DatasetError, match=r"'bat' of sketchy-21 is not there.*\(119 more classes"):
        read(sake, "sketchy-21", partial=False)
    with pytest.raises(DatasetError, match=r"'windmill' of sketchy-25-sake.*nearest there is 'wind mill'"):
        read_without("windmill", sake)


def read_without(word: str, root: Path) -> pa.Table:
    """Read a tree in which, but for this class, every class of the protocol has a sketch and a photo."""
    from sketchray.data.protocols import classes_of

    for name in classes_of("sketchy"):
        for part, ending in ((SKETCHES, "png"), (EXTENSION, "jpg")):
            if name != word and not (root / part / name).exists():
                (root / part / name).mkdir()
                (root / part / name / f"0.{ending}").write_bytes(b"")
    return read(root, "sketchy-25-sake", partial=False)


def test_a_whole_tree_needs_no_partial(sake: Path) -> None:
    table = read_without("", sake)
    assert (len(classes(table, "seen")), len(classes(table, "unseen"))) == (100, 25)


def test_a_class_of_one_modality_is_named(sake: Path) -> None:
    shutil.rmtree(sake / SKETCHES / "tree")
    with pytest.raises(DatasetError, match="class 'tree' of sketchy-25-sake has photos only"):
        read_without("tree", sake)


def test_partial_leaves_out_and_says_so(sake: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(sake / SKETCHES / "tree")
    shutil.copytree(sake / EXTENSION / "pizza", sake / EXTENSION / "wind mill")
    with caplog.at_level(logging.WARNING):
        table = read(sake, "sketchy-25-sake")
    assert classes(table, "unseen") == {"wine bottle", "windmill"}
    assert "tree" in caplog.text
    assert "wind mill (not the dataset's)" in caplog.text
    with pytest.raises(DatasetError, match="no unseen class of tuberlin-30-sempcyc"):
        read_samples(DataConfig(root=str(mini_folder(sake)), protocol="tuberlin-30-sempcyc", partial=True))


def mini_folder(root: Path) -> Path:
    """Lay out two classes as the folder reader has them."""
    folder = root / "folder"
    for word in ("pizza", "owl"):
        shutil.copytree(root / SKETCHES / "pizza", folder / "sketches" / word)
        shutil.copytree(root / EXTENSION / "pizza", folder / "photos" / word)
    return folder


def test_a_broken_picture_is_a_row_that_does_not_load(sake: Path) -> None:
    (sake / EXTENSION / "pizza" / "ext_1.jpg").write_bytes(b"no picture")
    table = read(sake, "sketchy-25-sake")
    broken = next(row["uri"] for row in table.to_pylist() if row["uri"].endswith("pizza/ext_1.jpg"))
    with pytest.raises(SampleError, match="ext_1"):
        SampleLoader().photo(broken)


def test_a_tree_of_no_layout_is_told_what_was_looked_for(tmp_path: Path, sake: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"nothing is there\). Looked for png_ready/<class>/\* with ImageResized_ready"
    ):
        read(tmp_path / "nowhere", "tuberlin-30-sake")
    with pytest.raises(DatasetError, match=r"not laid out as QuickDraw \(there is .*, for one"):
        read(sake, "quickdraw-30")
    shutil.rmtree(sake / "256x256" / "sketch")
    with pytest.raises(DatasetError, match="found of SAKE's only photos"):
        read(sake, "sketchy-21")


def test_wrong_calls_are_named(sake: Path) -> None:
    with pytest.raises(DatasetError, match=r"give data\.root"):
        read_samples(DataConfig(reader="sketchy"))
    with pytest.raises(DatasetError, match="of the reader tuberlin, not sketchy"):
        read(sake, "tuberlin-30-sake", reader="sketchy")
    with pytest.raises(ValueError, match="sketchy-25-sake or sketchy-25-sempcyc"):
        read(sake, "sketchy-25")


def test_the_miniatures_fit_their_protocols(mini_dataset: Callable[[str], Path]) -> None:
    for name in ("sketchy-25-sake", "sketchy-21", "tuberlin-30-sake", "quickdraw-30"):
        table = read(mini_dataset(name.split("-")[0]), name)
        assert len(classes(table, "unseen")) >= 2
        assert len(classes(table, "seen")) >= 3
