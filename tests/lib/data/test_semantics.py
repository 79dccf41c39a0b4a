"""Class similarities: rows by class name however it is spelled, refusals by name, conversion of the published file."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sketchray.data.semantics import load_semantics, main, save_semantics

WORDS = ["hot-air_balloon", "cat", "Wine Bottle"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / 10


def npz(folder: Path, words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> str:
    save_semantics(folder / "m.npz", words, vectors)
    return str(folder / "m.npz")


def as_json(folder: Path, table: object) -> str:
    (folder / "m.json").write_text(json.dumps(table))
    return str(folder / "m.json")


@pytest.mark.parametrize("form", ["npz", "json"])
def test_rows_come_in_the_order_asked_for_however_the_names_are_spelled(tmp_path: Path, form: str) -> None:
    uri = npz(tmp_path) if form == "npz" else as_json(tmp_path, dict(zip(WORDS, VECTORS.tolist(), strict=True)))
    for where in (uri, f"file://{uri}"):
        m_CK = load_semantics(where, ["wine_bottle", "hot air balloon"], width=4)
        assert m_CK.numpy().tolist() == VECTORS[[2, 0]].tolist()


def test_every_missing_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"m\.npz: no similarities for dog, cow$"):
        load_semantics(npz(tmp_path), ["dog", "cat", "cow"], width=4)


def test_another_teachers_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="4 similarities a class, but the teacher knows 1000 classes"):
        load_semantics(npz(tmp_path), ["cat"], width=1000)


def test_a_class_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="class 'CAT' is there twice"):
        load_semantics(npz(tmp_path, ["cat", "dog", "CAT"]), ["cat"], width=4)


def test_a_value_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows of finite numbers"):
        load_semantics(npz(tmp_path, vectors=np.where(VECTORS == 1.1, np.inf, VECTORS)), ["cat"], width=4)


@pytest.mark.parametrize("table", [[1, 2], {"cat": [1, 2], "dog": [1]}, {"cat": "text"}, {"cat": None}, {}, 3])
def test_json_of_another_shape_is_refused(tmp_path: Path, table: object) -> None:
    with pytest.raises(ValueError, match=r"m\.json: "):
        load_semantics(as_json(tmp_path, table), ["cat"], width=2)


def test_a_file_that_is_missing_or_damaged_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.npz: no such file of class similarities"):
        load_semantics(str(tmp_path / "none.npz"), ["cat"], width=4)
    data = Path(npz(tmp_path)).read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"PK", b"\x80\x04}.", data[:60] + b"?" * 40 + data[100:]):
        (tmp_path / "m.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"m\.npz: not a file of class similarities"):
            load_semantics(str(tmp_path / "m.npz"), ["cat"], width=4)


def test_an_archive_with_a_pickle_in_it_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", classes=np.array(["cat"], dtype=object), vectors=VECTORS[:1])
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_semantics(str(tmp_path / "m.npz"), ["cat"], width=4)


def convert(folder: Path, lines: str, masks: object) -> subprocess.CompletedProcess[str]:
    (folder / "cid_mask.pickle").write_bytes(pickle.dumps(masks, protocol=2))
    (folder / "cname_cid.txt").write_text(lines)
    arguments = [str(folder / name) for name in ("cid_mask.pickle", "cname_cid.txt", "out.npz")]
    command = [sys.executable, "-m", "sketchray.data.semantics", *arguments]
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "lib"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)


def test_the_published_pickle_is_converted(tmp_path: Path) -> None:
    done = convert(tmp_path, "space shuttle 1\ncat 0\n\n", {0: VECTORS[0], 1: VECTORS[1], 2: VECTORS[2]})
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/out.npz: 2 classes, 4 similarities each\n"
    m_CK = load_semantics(str(tmp_path / "out.npz"), ["cat", "space_shuttle"], width=4)
    assert m_CK.numpy().tolist() == VECTORS[:2].tolist()


@pytest.mark.parametrize(
    ("lines", "masks", "message"),
    [
        ("cat 5\n", {0: [1.0]}, "line 1: 'cat 5' is not a name and an id"),
        ("cat\n", {0: [1.0]}, "line 1: 'cat' is not a name and an id"),
        ("cat 0\n", {0: [1.0], 1: [1.0, 2.0]}, "not all of one length"),
        ("cat 0\n", {}, "not all of one length"),
        ("\n", {0: [1.0]}, "no classes"),
        ("cat 0\n", {0: Path("x")}, "refused"),
    ],
)
def test_what_cannot_be_converted_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, masks: object, message: str
) -> None:
    (tmp_path / "p").write_bytes(pickle.dumps(masks))
    (tmp_path / "c").write_text(lines)
    assert main([str(tmp_path / name) for name in ("p", "c", "out.npz")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()
