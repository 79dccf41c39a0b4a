"""``compact``: the deltas of every shard become one base segment, and codebooks that have drifted are fitted anew."""

import sys
from typing import Any

import numpy as np
from pydantic import Field

from jobs._cluster import connect
from jobs._index_config import IndexResources
from jobs._index_publish import describe, publish_run
from jobs._index_tasks import run_task, run_tasks
from jobs._index_timing import Timing
from jobs._index_work import Work
from sketchray.config import Config, digest
from sketchray.gallery import FitPlan, Gallery, IndexPlan, Segment, open_gallery
from sketchray.gallery.codebooks import REFIT
from sketchray.gallery.compact import (
    fold_shard,
    join_samples,
    plan_after,
    sample_of_shard,
    shards_with_deltas,
    with_bases,
)
from sketchray.gallery.publish import expect_current
from sketchray.gallery.refit import CodebookChoice, choose_codebooks
from sketchray.storage import default_store


class CompactConfig(Config):
    """A compaction.

    Attributes:
        gallery: its name.
        index: how the shards that are folded are searched then; None for as the gallery's build said.
        codebooks: which codebooks to fit where the gallery lacks them, and the size of the sample that drift is
            measured on.
        drift: a codebook that codes the gallery's rows so many times worse than those it was fitted to is fitted anew.
        resources: what it takes of the cluster.
    """

    gallery: str
    index: IndexPlan | None = None
    codebooks: FitPlan = FitPlan(names=())
    drift: float = Field(default=REFIT, ge=1)
    resources: IndexResources = IndexResources()


def compact(config: CompactConfig) -> dict[str, Any]:
    """Publish a version without deltas; or say that there is nothing to fold or to fit."""
    timing = Timing()
    gallery = open_gallery(default_store(), config.gallery)
    store, manifest, content = gallery.store, gallery.manifest, gallery.manifest.content
    expected = expect_current(store, gallery.version)
    plan = plan_after(manifest, config.index)
    identity = config.model_dump(mode="json", exclude={"gallery", "resources"}) | {"index": plan.index.model_dump()}
    work = Work(store, digest({"verb": "compact", "parent": gallery.version, **identity}))

    connect()
    work.begin(parts=0)
    shards, resources = range(content.shards), config.resources
    with timing.of("codebooks"):
        samples = run_tasks(sample_step, shards, resources, gallery=gallery, rows=config.codebooks.fit_rows)
        sample_ND = join_samples(samples, config.codebooks.fit_rows)
        choice = run_task(
            choose_step,
            resources,
            gallery=gallery,
            sample_ND=sample_ND,
            fit=config.codebooks,
            threshold=config.drift,
        )
    for name in choice.refitted:
        known = f"has drifted to {choice.drift[name]:.3f}" if name in choice.drift else "was missing"
        print(f"index: the {name} codebook {known}; it is fitted anew, and every row is coded anew", file=sys.stderr)
    for key, data in choice.objects.items():
        work.objects.write(key, data)
    with timing.of("segments"):
        bases = list(
            run_tasks(fold_step, shards, resources, work=work, gallery=gallery, plan=plan.index, choice=choice)
        )
    compacted = with_bases(content, bases, choice.references)
    said = {
        "folded": len(shards_with_deltas(content)),
        "drift": choice.drift,
        "refitted": list(choice.refitted),
    }
    if compacted.version() == gallery.version:
        work.remove()
        return describe(store, manifest) | {"status": "unchanged", **said, "seconds": timing.rounded()}
    with timing.of("publish"):
        published = publish_run(
            work,
            compacted,
            name=config.gallery,
            source=manifest.source,
            plan=plan,
            rows=manifest.rows,
            expected=expected,
        )
    return describe(store, published) | {"status": "compacted", **said, "seconds": timing.rounded()}


def sample_step(shard: int, *, gallery: Gallery, rows: int) -> Any:
    """Return a shard's part of the sample."""
    return sample_of_shard(gallery, shard, rows)


def choose_step(*, gallery: Gallery, sample_ND: np.ndarray, fit: FitPlan, threshold: float) -> CodebookChoice:
    """Measure the drift, and fit what has drifted or is missing."""
    return choose_codebooks(gallery, sample_ND, fit=fit, threshold=threshold)


def fold_step(shard: int, *, work: Work, gallery: Gallery, plan: IndexPlan, choice: CodebookChoice) -> Segment:
    """Fold one shard, unless what it gave is kept."""
    step = f"segment-{shard:04d}"
    if said := work.recall(step):
        return Segment.model_validate_json(said)
    recode = bool(choice.refitted)
    base, objects = fold_shard(gallery, shard, plan=plan, codebooks=choice.codebooks, recode=recode)
    work.keep(step, base.model_dump_json().encode(), objects)
    return base
