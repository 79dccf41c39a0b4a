"""Whatever is missing, altered or does not fit together is named, and a whole gallery has no problem."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from sketchray.gallery import FitPlan, Gallery, IndexPlan
from sketchray.gallery.compact import compact_gallery
from sketchray.gallery.publish import MANIFEST, store_manifest, version_key
from sketchray.gallery.retention import references
from sketchray.gallery.segment import THUMBNAILS, codes_schema, describe, read_table, to_parquet
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.gallery.verify import verify, verify_all
from sketchray.storage import Store

Rows = Callable[..., pa.Table]
Publisher = Callable[..., Gallery]
OBJECTS = ("vectors", "thumbnails", "tombstones", "index", "codes", "codebook", "report")


@pytest.fixture
def whole(make_rows: Rows, publish_rows: Publisher) -> Gallery:
    """A gallery that has an object of every kind: two shards with index and codes, one of them with a delta."""
    rows = make_rows(24)
    fit = FitPlan(names=("cluster",), codewords=3)
    base = publish_rows(rows, plan=IndexPlan(kind="flat-int8"), codebooks=fit)
    return update_gallery(base, changes_of_gallery(base, rows.slice(1)), rows.slice(0, 0)).gallery


def test_a_whole_gallery_has_no_problem(whole: Gallery, store: Store) -> None:
    kinds = {reference.key.rsplit("/", 1)[1] for reference in references(whole.manifest)}
    assert all(any(kind in key for key in kinds) for kind in OBJECTS)
    assert verify(whole) == []
    parent = whole.manifest.parent
    assert list(verify_all(store, "g")) == [(whole.version, []), (parent, [])]


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_damaged_object_is_named(whole: Gallery, kind: str) -> None:
    keys = [reference.key for reference in references(whole.manifest) if f".{kind}." in reference.key]
    key = next(iter(keys or [r.key for r in references(whole.manifest) if kind in r.key]))
    data, uri = whole.store.read(key), whole.store.uri_of(key)
    flipped = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    for damage, reason in (
        (flipped, "its SHA-256 is not the manifest's; the object was altered"),
        (data[:-1], f"{len(data) - 1} bytes where the manifest says {len(data)}; truncated or replaced"),
        (None, "the object is missing"),
    ):
        if damage is None:
            whole.store.delete(key)
        else:
            whole.store.write(key, damage)
        assert verify(whole) == [(whole.version, uri, reason)]
    whole.store.write(key, data)
    assert verify(whole) == []


def test_a_damaged_manifest_is_named_and_the_other_versions_are_verified(whole: Gallery, store: Store) -> None:
    current, uri = compact_gallery(whole).gallery, whole.store.uri_of(version_key(whole.version, MANIFEST))
    whole.store.write(version_key(whole.version, MANIFEST), b"{")
    problems = dict(verify_all(store, "g"))
    [problem] = problems.pop(whole.version)
    assert problem.object == uri
    assert "not a gallery manifest" in problem.reason
    assert problems == {current.version: [], whole.manifest.parent: []}
    whole.store.delete(version_key(current.version, MANIFEST))
    first = next(iter(verify_all(store, "g")))
    uri = whole.store.uri_of(version_key(current.version, MANIFEST))
    assert first == (current.version, [(current.version, uri, "it is missing, and current")])


def replaced(gallery: Gallery, **changed: object) -> Gallery:
    """Return a version whose manifest says something else of its first segment."""
    content = gallery.manifest.content.model_dump()
    content["segments"] = [content["segments"][0] | changed, *content["segments"][1:]]
    manifest = gallery.manifest.model_copy(update={"content": type(gallery.manifest.content).model_validate(content)})
    manifest = manifest.model_copy(update={"version": manifest.content.version()})
    return Gallery(gallery.store, store_manifest(gallery.store, manifest))


def test_objects_that_are_as_the_manifest_says_but_do_not_fit_together_are_problems(whole: Gallery) -> None:
    segment = whole.manifest.content.segments[0]
    assert segment.codes is not None
    pictures = read_table(whole.store, segment.thumbnails, THUMBNAILS)
    others = pictures.set_column(0, THUMBNAILS.field("id"), pa.array([f"x{i:02d}" for i in range(pictures.num_rows)]))
    data = to_parquet(others)
    whole.store.write("versions/x/thumbnails.parquet", data)
    wrong = replaced(whole, thumbnails=describe("versions/x/thumbnails.parquet", data, others.num_rows).model_dump())
    [problem] = verify(wrong)
    assert "not the vectors' ids" in problem.reason
    codes = read_table(whole.store, segment.codes, codes_schema({"cluster": 2}), sorted_by_id=False)
    data = to_parquet(pa.table([pa.array([[7, 0]] * codes.num_rows, codes.schema[0].type)], schema=codes.schema))
    whole.store.write("versions/x/codes.parquet", data)
    wrong = replaced(whole, codes=describe("versions/x/codes.parquet", data, codes.num_rows).model_dump())
    [problem] = verify(wrong)
    assert problem.object.endswith("versions/x/codes.parquet")
    assert "a cluster code that the codebook does not have" in problem.reason
    miscounted = Gallery(whole.store, whole.manifest.model_copy(update={"rows": 99}))
    [problem] = verify(miscounted)
    assert "23 rows can be found where the manifest says 99" in problem.reason
    assert problem.object.endswith(MANIFEST)
