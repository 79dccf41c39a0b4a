"""Galleries of format version 1, made once by golden/make.py: whatever this program becomes, it opens them."""

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sketchray.gallery import Gallery, GalleryPlan, IndexPlan, Manifest, Shard, merge, open_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.compact import compact_gallery
from sketchray.gallery.filters import parse_filter
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.gallery.verify import verify_all
from sketchray.storage import open_store

GOLDEN = Path(__file__).parent / "golden"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
QUESTIONS = [(name, number) for name, about in EXPECTED.items() for number in range(len(about["questions"]))]
EVERY_LIST = 10.0  # effort: so that what an index might miss is no matter here


@pytest.fixture(scope="module")
def galleries() -> dict[str, Gallery]:
    return {name: open_gallery(open_store(str(GOLDEN)), name) for name in EXPECTED}


@pytest.fixture(scope="module")
def shards(galleries: dict[str, Gallery]) -> dict[str, list[Shard]]:
    return {
        name: [gallery.shard(shard) for shard in range(gallery.manifest.content.shards)]
        for name, gallery in galleries.items()
    }


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_current_version_is_the_one_that_was_published(
    galleries: dict[str, Gallery], shards: dict[str, list[Shard]], name: str
) -> None:
    manifest, about = galleries[name].manifest, EXPECTED[name]
    found = manifest.format_version, manifest.version, manifest.parent, manifest.rows
    assert found == (1, about["version"], about["parent"], about["rows"])
    assert sum(shard.rows for shard in shards[name]) == about["rows"]


def referred(document: Any) -> list[dict[str, Any]]:
    """Return every reference to an object in a manifest's JSON."""
    if isinstance(document, dict):
        inside = [found for part in document.values() for found in referred(part)]
        return [document, *inside] if "sha256" in document else inside
    return [found for part in document for found in referred(part)] if isinstance(document, list) else []


def test_every_object_has_the_size_and_hash_of_its_manifest() -> None:
    keys = set()
    for path in GOLDEN.glob("galleries/*/versions/*/manifest.json"):
        folder = path.parents[2]
        for reference in referred(json.loads(path.read_text(encoding="utf-8"))):
            data = (folder / reference["key"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (reference["size"], reference["sha256"])
            keys.add(folder / reference["key"])
    parts = ("vectors.p", "thumbnails", "tombstones", "index.faiss", "codes", "codebook.c", "codebook.m", "report")
    assert all(any(part in key.name for key in keys) for part in parts)
    assert keys == {path for path in GOLDEN.glob("galleries/*/versions/*/*.*") if path.name != "manifest.json"}
    for path in GOLDEN.glob("galleries/*/CURRENT"):
        pointer = json.loads(path.read_text(encoding="utf-8"))
        manifest = path.parent / "versions" / pointer["version"] / "manifest.json"
        assert hashlib.sha256(manifest.read_bytes()).hexdigest() == pointer["manifest_sha256"]


@pytest.mark.parametrize(("name", "versions"), [("full", 2), ("plain", 1)])
def test_every_version_verifies(name: str, versions: int) -> None:
    assert [problems for _, problems in verify_all(open_store(str(GOLDEN)), name)] == [[]] * versions


@pytest.mark.parametrize(("name", "number"), QUESTIONS)
def test_it_is_searched_with_the_answers_of_then(shards: dict[str, list[Shard]], name: str, number: int) -> None:
    question = EXPECTED[name]["questions"][number]
    asked = dict(question["asked"])
    offset, k = asked.pop("offset", 0), question["k"]
    if "filter" in asked:
        asked["filter"] = parse_filter(asked["filter"])
    query_1D = np.array([question["query"].split()], dtype=np.float32)
    answers = (shard.search(query_1D, offset + k, effort=EVERY_LIST, **asked)[0] for shard in shards[name])
    hits = merge(answers, k, offset=offset)
    assert [hit.id for hit in hits] == [hit["id"] for hit in question["hits"]]
    for hit, expected in zip(hits, question["hits"], strict=True):
        assert hit.score == pytest.approx(expected["score"], abs=1e-5)
        found = {"id": hit.id, "uri": hit.uri, "label": hit.label} | hit.metadata
        found = {column: getattr(value, "isoformat", lambda value=value: value)() for column, value in found.items()}
        assert found == {column: value for column, value in expected.items() if column != "score"}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_thumbnails_are_the_bytes_of_then(shards: dict[str, list[Shard]], name: str) -> None:
    for sample_id, jpeg in EXPECTED[name]["thumbnails"].items():
        assert [found for shard in shards[name] if (found := shard.thumbnail(sample_id))] == [base64.b64decode(jpeg)]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_manifests_did_not_say_then_changes_no_digest(galleries: dict[str, Gallery], name: str) -> None:
    manifest = galleries[name].manifest
    assert manifest.plan is None
    told = manifest.model_copy(update={"plan": GalleryPlan(sources=("s3://b",), index=IndexPlan(kind="hnsw"))})
    again = Manifest.from_bytes(told.to_bytes(), where="here")
    assert (again, again.version) == (told, EXPECTED[name]["version"])


def test_it_can_be_updated_and_compacted(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "galleries", tmp_path / "galleries")
    gallery = open_gallery(open_store(str(tmp_path)), "full")
    live = pa.concat_tables([gallery.live(shard) for shard in range(2)])
    changes = changes_of_gallery(gallery, live.slice(3).drop_columns(["embedding"]))
    assert (changes.gone, changes.kept) == (live["id"][:3].to_pylist(), live.num_rows - 3)
    columns = gallery.manifest.content.columns
    updated = update_gallery(gallery, changes, row_schema(16, columns).empty_table()).gallery
    compacted = compact_gallery(updated).gallery
    assert [segment.kind for segment in compacted.manifest.content.segments] == ["base", "base"]
    assert pa.concat_tables([compacted.live(shard) for shard in range(2)]).equals(live.slice(3))
