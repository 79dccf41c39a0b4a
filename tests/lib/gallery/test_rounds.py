"""Random rounds of add, change, delete, update, compact, collect and go back against a model: nothing lost or stale."""

import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from sketchray.gallery import EncoderRef, FitPlan, Gallery, IndexPlan, gallery_store, merge, open_gallery, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.compact import compact_gallery, shards_with_deltas
from sketchray.gallery.gc import collect_garbage
from sketchray.gallery.manifest import Column
from sketchray.gallery.publish import list_versions, roll_back
from sketchray.gallery.segment import REPORT, embedding_column, read_table
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.gallery.verify import verify
from sketchray.ranking import create_ranker
from sketchray.storage import open_store

SHARDS, DIMENSION = 2, 4
ENCODER = EncoderRef(uri="frozen:made@32", fingerprint="0123456789abcdef")
COLUMNS = (Column(name="year", type="int64"),)
SOME = np.random.default_rng(0).normal(size=(7, DIMENSION))
VECTORS = SOME / np.linalg.norm(SOME, axis=1, keepdims=True)
IDS = st.sampled_from([f"picture-{i:02d}" for i in range(12)])
LABELS, YEARS = st.sampled_from([None, "cat", "dog"]), st.sampled_from([None, 1999, 2026])
PLANS = st.sampled_from([IndexPlan(), IndexPlan(kind="flat-int8")])
EVER = timedelta(days=999)


class Picture(NamedTuple):
    """A picture of the source: its bytes are a number, which the etag, the vector and the thumbnail tell."""

    content: int
    label: str | None
    year: int | None

    def row(self, sample_id: str) -> dict[str, Any]:
        plain = {"id": sample_id, "uri": f"s3://b/{sample_id}", "etag": f"etag-{self.content}", "label": self.label}
        return plain | {"year": self.year, "jpeg": f"{sample_id} {self.content}".encode()}


Pictures = dict[str, Picture]


def rows_of(pictures: Pictures) -> pa.Table:
    """Return the embedded rows of some pictures; many pictures have the same vector, so that scores tie."""
    schema = row_schema(DIMENSION, COLUMNS)
    plain = [picture.row(sample_id) for sample_id, picture in pictures.items()]
    embedding_ND = VECTORS[[picture.content % len(VECTORS) for picture in pictures.values()]]
    columns = [
        embedding_column(embedding_ND.reshape(-1, DIMENSION))
        if name == "embedding"
        else pa.array([row[name] for row in plain], schema.field(name).type)
        for name in schema.names
    ]
    return pa.table(columns, schema=schema)


def listing_of(pictures: Pictures) -> pa.Table:
    return rows_of(pictures).drop_columns(["embedding", "jpeg"])


def check_found(gallery: Gallery, model: Pictures) -> None:
    """Check that exactly the model is found: by nearest search, by cluster search, by thumbnail, by metadata."""
    shards = [gallery.shard(i) for i in range(SHARDS)]
    assert gallery.manifest.rows == sum(shard.rows for shard in shards) == len(model)
    answers = [shard.search(VECTORS, 50) for shard in shards]
    ordered = {sample_id: model[sample_id] for sample_id in sorted(model)}
    vector_ND = np.array([VECTORS[picture.content % len(VECTORS)] for picture in ordered.values()])
    for b, query_D in enumerate(VECTORS):
        hits = merge([answer[b] for answer in answers], 50)
        score = {sample_id: round(float(query_D @ vector_ND[i]), 6) for i, sample_id in enumerate(ordered)}
        assert [hit.id for hit in hits] == sorted(model, key=lambda sample_id: (-score[sample_id], sample_id))
        for hit in hits:
            picture = model[hit.id]
            assert (hit.label, hit.metadata, hit.uri) == (picture.label, {"year": picture.year}, f"s3://b/{hit.id}")
            assert hit.score == pytest.approx(score[hit.id], abs=1e-5)
    for i in range(12):
        sample_id = f"picture-{i:02d}"
        pictures = [shard.thumbnail(sample_id) for shard in shards]
        known = {model[sample_id].row(sample_id)["jpeg"]} if sample_id in model else set()
        assert {picture for picture in pictures if picture is not None} == known
    codebook = gallery.codebooks().get("cluster")
    if codebook is not None and model:
        searcher = create_ranker("cluster", fusion=0.2).searcher(vector_ND.astype(np.float32), codebook)
        _, row_BK = searcher.search(VECTORS, len(model))
        answers = [shard.search(VECTORS, 50, ranking="cluster", fusion=0.2) for shard in shards]
        for b, row_K in enumerate(row_BK):
            wanted = [list(ordered)[row] for row in row_K]
            assert [hit.id for hit in merge([answer[b] for answer in answers], 50)] == wanted


class Rounds(RuleBasedStateMachine):
    """A source that changes, a gallery that follows when it is told to, and what each version must find."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(self.folder.name)
        self.place = gallery_store(self.store, "g")
        self.source: Pictures = {}
        self.bad: set[str] = set()
        self.content = 0
        self.found: dict[str, Pictures] = {}  # by version, of those that are there
        self.order: list[str] = []  # the same versions, the last to become current at the end

    def teardown(self) -> None:
        for version, model in self.found.items():
            gallery = open_gallery(self.store, "g", version)
            assert verify(gallery) == []
            check_found(gallery, model)
        self.folder.cleanup()

    def published(self, gallery: Gallery, model: Pictures) -> None:
        """Take a version as the current one, and check what it finds."""
        assert open_gallery(self.store, "g") == gallery
        assert self.found.setdefault(gallery.version, model) == model
        self.order = [version for version in self.order if version != gallery.version] + [gallery.version]
        check_found(gallery, model)

    @property
    def readable(self) -> Pictures:
        return {sample_id: picture for sample_id, picture in self.source.items() if sample_id not in self.bad}

    @initialize(ids=st.sets(IDS, min_size=2), codewords=st.sampled_from([None, 2]), plan=PLANS)
    def build(self, ids: set[str], codewords: int | None, plan: IndexPlan) -> None:
        for sample_id in sorted(ids):
            self.put(sample_id, None, None)
        fit = FitPlan(names=("cluster",), codewords=codewords) if codewords else None
        gallery = write_gallery(
            self.store,
            "g",
            rows_of(self.source),
            encoder=ENCODER,
            source="s3://b",
            shards=SHARDS,
            plan=plan,
            codebooks=fit,
            columns=COLUMNS,
        )
        self.published(gallery, dict(self.source))

    @rule(sample_id=IDS, label=LABELS, year=YEARS)
    def put(self, sample_id: str, label: str | None, year: int | None) -> None:
        self.content += 1
        self.source[sample_id] = Picture(self.content, label, year)
        self.bad.discard(sample_id)

    @precondition(lambda self: self.source)
    @rule(data=st.data(), label=LABELS, year=YEARS)
    def say_otherwise(self, data: st.DataObject, label: str | None, year: int | None) -> None:
        sample_id = data.draw(st.sampled_from(sorted(self.source)))
        self.source[sample_id] = self.source[sample_id]._replace(label=label, year=year)

    @precondition(lambda self: self.source)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        sample_id = data.draw(st.sampled_from(sorted(self.source)))
        del self.source[sample_id]
        self.bad.discard(sample_id)

    @precondition(lambda self: self.source)
    @rule(data=st.data())
    def spoil(self, data: st.DataObject) -> None:
        sample_id = data.draw(st.sampled_from(sorted(self.source)))
        self.put(sample_id, None, None)
        self.bad.add(sample_id)

    @rule()
    def update(self) -> None:
        before = open_gallery(self.store, "g")
        changes = changes_of_gallery(before, listing_of(self.source))
        embedded = {sample_id: self.readable.get(sample_id) for sample_id in changes.to_embed["id"].to_pylist()}
        rows = rows_of({sample_id: picture for sample_id, picture in embedded.items() if picture is not None})
        problems = [{"uri": f"s3://b/{sample_id}", "stage": "decode", "reason": "bad"} for sample_id in self.bad]
        after = update_gallery(before, changes, rows, problems=problems)
        report = after.gallery.manifest.content.report
        assert report is not None
        told = read_table(self.place, report, REPORT, sorted_by_id=False)["uri"].to_pylist()
        assert told == [f"s3://b/{sample_id}" for sample_id in sorted(self.bad)]
        old = before.manifest.content.report
        same = self.found[before.version] == self.readable and old is not None and old.sha256 == report.sha256
        assert after.published == (not same)
        self.published(after.gallery, self.readable)
        again = changes_of_gallery(after.gallery, listing_of(self.source))
        assert set(again.to_embed["id"].to_pylist()) == self.bad
        assert (again.rewritten.num_rows, again.gone, again.kept) == (0, [], len(self.readable))

    @rule(plan=PLANS, threshold=st.sampled_from([0.0, 1.2, 1e9]))
    def compact(self, plan: IndexPlan, threshold: float) -> None:
        before = open_gallery(self.store, "g")
        deltas = shards_with_deltas(before.manifest.content)
        after = compact_gallery(before, plan=plan, threshold=threshold)
        assert after.folded == deltas
        assert after.published or not deltas
        assert shards_with_deltas(after.gallery.manifest.content) == ()
        kept = [part for part in before.manifest.content.segments if part.shard not in deltas and not after.refitted]
        # By hash: the version may have been there, with the same objects at other places.
        vectors = {part.vectors.sha256 for part in after.gallery.manifest.content.segments}
        assert {part.vectors.sha256 for part in kept} <= vectors
        self.published(after.gallery, self.found[before.version])

    @rule(keep=st.integers(1, 4), young=st.booleans())
    def collect(self, keep: int, young: bool) -> None:
        older_than, now = EVER if young else timedelta(0), datetime.now(UTC) + timedelta(seconds=1)
        options: dict[str, Any] = {"keep": keep, "older_than": older_than, "now": now}
        foreseen = collect_garbage(self.store, "g", dry_run=True, **options)
        collected = collect_garbage(self.store, "g", **options)
        assert collected == foreseen.model_copy(update={"dry_run": False})
        if not young:
            self.order = self.order[-keep:]
        assert set(collected.kept) == set(list_versions(self.place)) == set(self.order)
        self.found = {version: model for version, model in self.found.items() if version in self.order}
        for version, model in self.found.items():
            check_found(open_gallery(self.store, "g", version), model)

    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(self.order))
        assert roll_back(self.place, version).version == version
        self.published(open_gallery(self.store, "g"), self.found[version])


def test_some_rounds() -> None:
    run_state_machine_as_test(Rounds, settings=settings(max_examples=5, stateful_step_count=15, deadline=None))


@pytest.mark.full
def test_many_rounds() -> None:
    run_state_machine_as_test(Rounds, settings=settings(max_examples=200, stateful_step_count=40, deadline=None))
