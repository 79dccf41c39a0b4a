"""Read anyone's features for an audit: a Parquet file with ``id``, ``class_name`` and ``embedding``."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


class Features(NamedTuple):
    """Embeddings of some samples: ids, class names (None where unlabelled), and a matrix (N, D)."""

    ids: list[str]
    classes: list[str | None]
    embedding_ND: npt.NDArray[np.floating]


def read_features(path: Path) -> Features:
    """Read features from a Parquet file.

    ``embedding`` is a column of lists of one length (fixed-size or not) of any float or integer type; ``class_name``
    may be null in a gallery. Other columns are ignored.

    Raises:
        ValueError: not such a file; the message says what is missing, or which row is wrong.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not readable as Parquet ({error})") from error
    missing = [name for name in ("id", "class_name", "embedding") if name not in table.column_names]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
    if not table.num_rows:
        raise ValueError(f"{path}: it has no rows")
    return Features(_ids(path, table["id"]), _classes(table["class_name"]), _matrix(path, table["embedding"]))


def _ids(path: Path, column: pa.ChunkedArray) -> list[str]:
    counts = pc.value_counts(column)
    double = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(double):
        raise ValueError(f"{path}: {len(double)} ids occur more than once, the first: {double[0]['values'].as_py()!r}")
    return [str(value) for value in column.to_pylist()]


def _classes(column: pa.ChunkedArray) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _matrix(path: Path, column: pa.ChunkedArray) -> npt.NDArray[np.floating]:
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or _is_fixed(column.type)):
        raise ValueError(f"{path}: the column embedding holds {column.type}, not lists of numbers")
    if column.null_count:
        raise ValueError(f"{path}: {column.null_count} rows have no embedding")
    lengths = pc.list_value_length(column).to_numpy()
    if lengths.min() != lengths.max() or not lengths[0]:
        row = int(np.argmax(lengths != lengths[0]))
        raise ValueError(f"{path}: row {row} has {lengths[row]} dimensions, row 0 has {lengths[0]}")
    flat = pc.list_flatten(column)
    if not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)) or flat.null_count:
        raise ValueError(f"{path}: the column embedding holds {column.type}, not lists of numbers without nulls")
    values = flat.to_numpy()
    return np.asarray(values if values.dtype.kind == "f" else values.astype(np.float64)).reshape(len(lengths), -1)


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))
