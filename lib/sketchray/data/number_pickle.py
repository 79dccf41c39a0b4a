"""Read a pickle of dicts, numbers and numeric arrays without running anything that is in it.

Our formats hold no pickle; this is for converting published ones. A pickle is a program that may call whatever it can
name. Here it can name only stand-ins of ours for what NumPy's arrays need, and those accept only numbers.
"""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _Dtype:
    """Stands for ``numpy.dtype``: a kind of number and its byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if code not in _NUMBERS:
            raise pickle.UnpicklingError(f"an array of {code!r}, not of numbers")
        self.name = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an unknown byte order")
        self.name = state[1] + self.name.lstrip("<>|=")


class _Array:
    """Stands for ``numpy.ndarray``; `values` is what the pickle set it to."""

    values: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.values = _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: bytes | str, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    if isinstance(data, str):  # bytes that Python 2 wrote
        data = data.encode("latin1")
    if len(data) != np.dtype(dtype.name).itemsize * math.prod(shape):
        raise pickle.UnpicklingError(f"{len(data)} bytes are no array of shape {shape}")
    return np.frombuffer(data, dtype=dtype.name).reshape(shape, order=order)


def _empty(*_: Any) -> _Array:
    return _Array()


def _from_buffer(data: bytes, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.values = _array(data, dtype, shape, order)
    return array


def _scalar(dtype: _Dtype, data: bytes | str) -> Any:
    return _array(data, dtype, (), "C").item()


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which old protocols write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes written as {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _empty),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _from_buffer),
    )
}


class _NumberUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _ALLOWED[module, name]


def read_number_pickle(path: Path) -> dict[int, NDArray[np.float64]]:
    """Read a pickled dict from whole numbers to numeric arrays or lists of numbers.

    Args:
        path: of any pickle protocol, of Python 2 too.

    Returns:
        The dict, every value as an array.

    Raises:
        OSError: the file cannot be read.
        ValueError: it names anything else, is damaged, or is no such dict; nothing of it was run.
    """
    data = path.read_bytes()
    try:
        content = _NumberUnpickler(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(content, dict):
            raise TypeError(f"a {type(content).__name__}, not a dict")
        plain = {key: value.values if isinstance(value, _Array) else value for key, value in content.items()}
        return {int(key): np.asarray(value, dtype=np.float64) for key, value in plain.items()}
    except Exception as error:  # a crafted pickle can make its reader raise anything
        raise ValueError(f"{path}: refused, since it holds more than numbers or is damaged ({error})") from error
