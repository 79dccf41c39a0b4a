"""Made galleries: random unit vectors and thumbnails that name their row."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sketchray.data.samples import sample_id
from sketchray.gallery import EncoderRef, Gallery, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import Store, open_store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]


@pytest.fixture
def make_rows() -> Rows:
    def make(count: int, *, seed: int = 0, dimension: int = 8) -> pa.Table:
        rng = np.random.default_rng(seed)
        embedding_ND = rng.normal(size=(count, dimension))
        embedding_ND /= np.linalg.norm(embedding_ND, axis=1, keepdims=True)
        keys = [f"pictures/{seed}-{i}.png" for i in range(count)]
        return pa.table(
            [
                [sample_id(key) for key in keys],
                [f"s3://b/{key}" for key in keys],
                [f"etag-{seed}-{i}" for i in range(count)],
                [None if i % 3 == 0 else f"word {i % 3}" for i in range(count)],
                embedding_column(embedding_ND),
                [f"jpeg of {key}".encode() for key in keys],
            ],
            schema=row_schema(dimension),
        )

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def publish_rows(store: Store) -> Publisher:
    def publish(rows: pa.Table, name: str = "g", *, shards: int = 2, **options: object) -> Gallery:
        encoder = EncoderRef(uri="frozen:made@32", fingerprint="0123456789abcdef")
        return write_gallery(store, name, rows, encoder=encoder, source="s3://b", shards=shards, **options)  # type: ignore[arg-type]

    return publish
