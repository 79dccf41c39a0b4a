"""A search refuses what cannot be asked, and a shard what cannot be trusted."""

from pathlib import Path

import numpy as np
import pytest

from sketchray.gallery import (
    GalleryError,
    IndexPlan,
)
from sketchray.gallery.filters import parse_filter
from tests.lib.gallery.search_model import DIMENSION, Model, Row, made_codebooks, unit, write


@pytest.fixture
def small() -> Model:
    x_ND = unit(np.random.default_rng(3).normal(size=(40, DIMENSION)))
    rows = {f"{i:02d}": Row(x_D, "cat", i) for i, x_D in enumerate(x_ND)}
    model = Model()
    model.step(rows, [])
    model.step({"50": rows["00"], "03": rows["01"]}, ["02"])
    return model


def test_what_cannot_be_asked_is_refused(small: Model, tmp_path: Path) -> None:
    shard = write(str(tmp_path), small, shards=1, plan=IndexPlan(), codebooks={}).shard(0)
    query_BD = unit(np.ones((2, DIMENSION)))
    broken_BD = query_BD.copy()
    broken_BD[1, 3] = np.nan
    for queries, options, message in (
        (broken_BD, {}, "query 1 is not of unit length"),
        (query_BD[:, :4], {}, "queries have shape"),
        (query_BD, {"k": 0}, "k is 0"),
        (query_BD, {"ranking": "cluster"}, "no codebook for cluster ranking; it can be ranked by: nearest"),
        (query_BD, {"ranking": "best"}, "'best' is none of nearest, cluster, mixture, manifold"),
        (query_BD, {"fusion": 0.5}, "nearest has none"),
        (query_BD, {"ranking": "nearest", "min_score": float("nan")}, "min_score is not a number"),
        (query_BD, {"effort": 0.0}, "effort is 0.0"),
        (query_BD, {"filter": parse_filter("prise < 3")}, "price"),
    ):
        with pytest.raises(ValueError, match=message):
            shard.search(queries, **{"k": 1, **options})  # type: ignore[arg-type]
    assert shard.search(np.empty((0, DIMENSION), np.float32), 3) == []


def test_every_object_is_checked_before_it_is_parsed(small: Model, tmp_path: Path) -> None:
    gallery = write(str(tmp_path), small, shards=1, plan=IndexPlan(factory="SQ8"), codebooks=made_codebooks(0))
    content = gallery.manifest.content
    names = ("vectors", "thumbnails", "tombstones", "index", "codes")
    references = [ref for segment in content.segments for name in names if (ref := getattr(segment, name)) is not None]
    references += [book.object for book in content.codebooks]
    assert len(references) == 4 + 4 + 3  # a delta has no index, a base no tombstones
    for reference in references:
        good = gallery.store.read(reference.key)
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 1
        for damaged, message in ((bytes(flipped), "altered"), (good[:-1], "truncated"), (b"", "truncated")):
            gallery.store.write(reference.key, damaged)
            with pytest.raises(GalleryError, match=rf"{reference.key}: .*{message}"):
                gallery.shard(0)
        gallery.store.write(reference.key, good)
    assert gallery.shard(0).rows == len(small.rows)


def test_vectors_that_cannot_be_compared_are_refused_by_name(small: Model, tmp_path: Path) -> None:
    small.steps[1][0]["50"] = Row(np.zeros(DIMENSION, np.float32), None, None)
    gallery = write(str(tmp_path), small, shards=1, plan=IndexPlan(), codebooks={})
    with pytest.raises(GalleryError, match=r"vectors\.parquet: embedding 1 is not of unit length"):
        gallery.shard(0)


def test_an_id_that_lives_twice_is_refused(small: Model, tmp_path: Path) -> None:
    small.steps[1] = (small.steps[1][0], ["02"])  # not 03, which the delta brings again
    gallery = write(str(tmp_path), small, shards=1, plan=IndexPlan(factory="SQ8"), codebooks={})
    for read in (gallery.shard, gallery.live):
        with pytest.raises(GalleryError, match="an id of shard 0 lives in two segments"):
            read(0)
