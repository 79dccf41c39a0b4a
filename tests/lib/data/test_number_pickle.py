"""Pickles of numbers are read, whoever wrote them; any other is refused before anything of it runs."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sketchray.data.number_pickle import read_number_pickle

# What NumPy 1 under Python 2 wrote for {0: np.array([1.5, -2.0])}, in protocol 2.
PYTHON_2 = (
    b"\x80\x02}q\x00K\x00cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03("
    b"K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
    b"tb\x89U\x10\x00\x00\x00\x00\x00\x00\xf8?\x00\x00\x00\x00\x00\x00\x00\xc0tbs."
)


def written(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["f8", ">f4", "i8", "u1"])
def test_arrays_lists_and_scalars_are_read(tmp_path: Path, protocol: int, dtype: str) -> None:
    content: dict[Any, Any] = {
        0: np.arange(6, dtype=dtype)[::2],
        np.int64(1): [1, 2.5, 3],
        7: np.array([np.float32(1.5), 0, 2]),
    }
    read = read_number_pickle(written(tmp_path / "m.pickle", content, protocol))
    assert list(read) == [0, 1, 7]
    for key, value in content.items():
        assert read[int(key)].tolist() == np.asarray(value).tolist()


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    (tmp_path / "old.pickle").write_bytes(PYTHON_2)
    assert {key: value.tolist() for key, value in read_number_pickle(tmp_path / "old.pickle").items()} == {
        0: [1.5, -2.0]
    }


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


class Shell:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return eval, ("__import__('os').getcwd()",)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    path = written(tmp_path / "m.pickle", {0: np.zeros(3), 1: Touch(trap)}, protocol)
    with pytest.raises(ValueError, match=r"m\.pickle: refused, since it holds more than numbers"):
        read_number_pickle(path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())  # the trap works
    assert trap.exists()


def test_names_outside_numbers_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it names builtins\.eval|it names __builtin__\.eval"):
        read_number_pickle(written(tmp_path / "m.pickle", {0: Shell()}))


@pytest.mark.parametrize(
    "content",
    [[1, 2], {0: np.array([None, Shell()], dtype=object)}, {0: np.array(["a"])}, {"cat": [1.0]}, {0: "text"}],
    ids=["no dict", "objects", "strings", "a word as id", "text"],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ValueError, match="refused"):
        read_number_pickle(written(tmp_path / "m.pickle", content))


def test_damage_at_any_place_is_refused_or_still_numbers(tmp_path: Path) -> None:
    data = pickle.dumps({0: np.arange(3.0), 1: np.arange(3.0)}, protocol=2)
    path = tmp_path / "m.pickle"
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError, match="refused"):
            read_number_pickle(path)
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            read = read_number_pickle(path)
        except ValueError:
            continue
        assert all(value.dtype == np.float64 for value in read.values())


def test_a_shape_that_does_not_fit_its_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.pickle").write_bytes(PYTHON_2.replace(b"K\x01K\x02\x85", b"K\x01J\xff\xff\xff\x7f\x85"))
    with pytest.raises(ValueError, match="16 bytes are no array of shape"):
        read_number_pickle(tmp_path / "m.pickle")
