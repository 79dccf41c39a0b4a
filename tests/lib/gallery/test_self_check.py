"""A shard that was just read is asked about its own rows: whole ones pass, broken ones are named."""

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from sketchray.gallery import FitPlan, Gallery, GalleryError, IndexPlan
from sketchray.gallery.index import build_index, load_index
from sketchray.gallery.part import Part
from sketchray.gallery.segment import vector_schema
from sketchray.gallery.self_check import check_one_row, check_shard
from sketchray.gallery.shard import Shard

DIMENSION = 8
Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]


def with_pictures(rows: pa.Table) -> pa.Table:
    data = io.BytesIO()
    Image.new("L", (8, 8), 200).save(data, "JPEG")
    jpegs = pa.array([data.getvalue()] * rows.num_rows, rows.schema.field("jpeg").type)
    return rows.set_column(rows.schema.get_field_index("jpeg"), rows.schema.field("jpeg"), jpegs)


@pytest.mark.parametrize("plan", [IndexPlan(), IndexPlan(factory="IVF4,SQ8")])
def test_whole_shards_pass(make_rows: Rows, publish_rows: Publisher, plan: IndexPlan) -> None:
    rows = with_pictures(make_rows(400))
    gallery = publish_rows(rows, plan=plan, codebooks=FitPlan(codewords=4))
    for index in range(2):
        check_shard(gallery.shard(index))
        check_one_row(gallery.shard(index))


def test_equal_pictures_and_an_empty_shard_pass(make_rows: Rows, publish_rows: Publisher) -> None:
    one = with_pictures(make_rows(30))
    place = one.schema.get_field_index("embedding")
    first = one["embedding"].combine_chunks()[:1]
    same = one.set_column(place, one.schema.field("embedding"), pa.concat_arrays([first] * 30))
    gallery = publish_rows(same, shards=1)
    check_shard(gallery.shard(0))
    check_shard(Shard([], vector_schema(DIMENSION), {}))
    check_one_row(Shard([], vector_schema(DIMENSION), {}))


def part_of(*, index_seed: int | None = None, jpeg: bytes | None = None) -> Part:
    rng = np.random.default_rng(0)
    embedding_ND = rng.normal(size=(200, DIMENSION)).astype(np.float32)
    embedding_ND /= np.linalg.norm(embedding_ND, axis=1, keepdims=True)
    ids = [f"{i:03d}" for i in range(200)]
    texts = pa.array(ids)
    columns = pa.table({"id": texts, "uri": texts, "etag": texts, "label": texts})
    index = None
    if index_seed is not None:
        other = np.random.default_rng(index_seed).normal(size=(200, DIMENSION)).astype(np.float32)
        data = build_index(other / np.linalg.norm(other, axis=1, keepdims=True), "IVF4,SQ8")
        index = load_index(data, rows=200, dimension=DIMENSION, where="here")
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "JPEG")
    thumbnails = pa.table({"id": texts, "jpeg": [jpeg or picture.getvalue()] * 200})
    return Part(columns, embedding_ND, thumbnails, {}, index=index)


def test_an_index_over_other_rows_is_found() -> None:
    check_shard(Shard([part_of()], vector_schema(DIMENSION), {}))
    with pytest.raises(GalleryError, match=r"does not find itself|nearest to"):
        check_shard(Shard([part_of(index_seed=5)], vector_schema(DIMENSION), {}))


def test_a_thumbnail_that_is_none_is_found() -> None:
    with pytest.raises(GalleryError, match="thumbnail of 000"):
        check_shard(Shard([part_of(jpeg=b"not a picture")], vector_schema(DIMENSION), {}))
