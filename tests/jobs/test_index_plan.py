"""Which sources an update lists, and what it leaves out, when it is not told."""

from pathlib import Path
from typing import Any

import pytest

from jobs._index_update import UpdateConfig, plan_of
from sketchray.gallery import Gallery, GalleryError, GalleryPlan, IndexPlan, open_gallery
from sketchray.storage import open_store

GOLDEN = Path(__file__).parents[1] / "lib/gallery/golden"
KNOWN = GalleryPlan(sources=("s3://b/one, two", "file:///c"), exclude=("old/",), index=IndexPlan(kind="hnsw"))


def gallery(**changes: Any) -> Gallery:
    golden = open_gallery(open_store(str(GOLDEN)), "plain")
    return Gallery(golden.store, golden.manifest.model_copy(update=changes))


def config(**told: Any) -> UpdateConfig:
    return UpdateConfig(gallery="plain", **told)


def test_what_an_update_is_not_told_is_as_before() -> None:
    assert plan_of(gallery(plan=KNOWN), config()) == KNOWN
    told = plan_of(gallery(plan=KNOWN), config(source="/d"))
    assert told == KNOWN.model_copy(update={"sources": ("file:///d",)})
    told = plan_of(gallery(plan=KNOWN), config(exclude=[]))
    assert told == KNOWN.model_copy(update={"exclude": ()})


@pytest.mark.parametrize("plan", [None, GalleryPlan()])
def test_a_manifest_that_names_one_source_in_words_is_understood(plan: GalleryPlan | None) -> None:
    made = plan_of(gallery(plan=plan, source="s3://b/p"), config())
    assert made == GalleryPlan(sources=("s3://b/p",), exclude=("sketches/",))
    with pytest.raises(GalleryError, match=r"gallery plain: .*s3://b/p, s3://c is a source of its own\? Give source="):
        plan_of(gallery(plan=plan, source="s3://b/p, s3://c"), config())
    assert plan_of(gallery(plan=plan, source="s3://b/p, s3://c"), config(source="s3://c")).sources == ("s3://c",)


def test_no_source_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="source"):
        config(source=[])
