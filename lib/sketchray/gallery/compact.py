"""Compaction: the deltas of each shard are folded into a new base segment, and drifted codebooks are fitted again.

`sample_of_shard` and `fold_shard` are what one machine does for one shard, `choose_codebooks` and `with_bases` what is
done once, and `compact_gallery` is the whole in one process. A shard without deltas keeps its objects, but for its
codes where a codebook is new.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sketchray.gallery.build import describe_version, encode_segment, place
from sketchray.gallery.codebooks import REFIT, Codebooks, FitPlan, encode_rows, take_sample
from sketchray.gallery.deltas import rows_with_pictures
from sketchray.gallery.manifest import CodebookRef, Content, Manifest, Segment
from sketchray.gallery.plan import GalleryPlan, IndexPlan
from sketchray.gallery.publish import expect_current, publish_objects
from sketchray.gallery.reader import Gallery
from sketchray.gallery.refit import choose_codebooks
from sketchray.gallery.segment import describe, embedding_matrix, short_hash, to_parquet

NO_NEW = FitPlan(names=())


class Compacted(NamedTuple):
    """What a compaction did.

    Attributes:
        gallery: the version after it.
        published: False where there was nothing to fold or to fit: the gallery is the same.
        folded: shards whose deltas are in a new base segment now.
        drift: of each codebook before, by name; see `sketchray.gallery.codebooks.drift`.
        refitted: codebooks that were fitted anew, by name; the codes of all rows are new then.
    """

    gallery: Gallery
    published: bool
    folded: tuple[int, ...]
    drift: dict[str, float]
    refitted: tuple[str, ...]


def plan_after(manifest: Manifest, index: IndexPlan | None) -> GalleryPlan:
    """Return how a version is made that is compacted by some index, or by the gallery's own."""
    plan = manifest.plan or GalleryPlan()
    return plan if index is None else plan.model_copy(update={"index": index})


def shards_with_deltas(content: Content) -> tuple[int, ...]:
    """Return the shards that there is something to fold in."""
    return tuple(sorted({segment.shard for segment in content.segments if segment.kind == "delta"}))


def sample_of_shard(gallery: Gallery, shard: int, rows: int) -> pa.Table:
    """Return a shard's part of the sample that drift is measured on and codebooks are fitted to: id and embedding.

    Args:
        gallery: a version.
        shard: which shard of it.
        rows: of the whole sample, at most.

    Raises:
        GalleryError: an object of the shard is not what the manifest says.
    """
    return take_sample(gallery.live(shard, columns=["id", "embedding"]), rows)


def join_samples(samples: Iterable[pa.Table], rows: int) -> np.ndarray:
    """Return sample_ND of the whole gallery, of the shards' samples in any order; two of them in memory at most.

    Raises:
        ValueError: there is no sample.
    """
    parts = iter(samples)
    whole = next(parts, None)
    if whole is None:
        raise ValueError("a gallery has at least one shard")
    for part in parts:
        whole = take_sample(pa.concat_tables([whole, part]), rows)
    return embedding_matrix(take_sample(whole, rows))


def fold_shard(
    gallery: Gallery, shard: int, *, plan: IndexPlan, codebooks: Codebooks, recode: bool
) -> tuple[Segment, dict[str, bytes]]:
    """Return the one base segment that a shard has after compaction, and the bytes of its new objects by key.

    Args:
        gallery: the version to compact.
        shard: which shard of it.
        plan: the index of a new base segment. A shard without deltas keeps the index it has.
        codebooks: those after compaction.
        recode: whether they differ from the gallery's.

    Raises:
        GalleryError: an object of the shard is not what the manifest says, or faiss cannot build the index.
    """
    segments = [segment for segment in gallery.manifest.content.segments if segment.shard == shard]
    if len(segments) > 1:
        rows = rows_with_pictures(gallery, shard)
        return encode_segment(rows, shard=shard, plan=plan, codebooks=codebooks)
    if not recode:
        return segments[0], {}
    codes = encode_rows(codebooks, embedding_matrix(gallery.live(shard, columns=["embedding"])))
    data = to_parquet(codes)
    key = f"shard-{shard:04d}.{short_hash(data)}.codes.parquet"
    return segments[0].model_copy(update={"codes": describe(key, data, codes.num_rows)}), {key: data}


def with_bases(content: Content, bases: Sequence[Segment], codebooks: Sequence[CodebookRef]) -> Content:
    """Return a version's content with one base segment for each shard, and new objects in their place."""
    segments = sorted(bases, key=lambda segment: segment.shard)
    return place(Content.model_validate(dict(content) | {"segments": segments, "codebooks": tuple(codebooks)}))


def compact_gallery(
    gallery: Gallery, *, plan: IndexPlan | None = None, fit: FitPlan = NO_NEW, threshold: float = REFIT
) -> Compacted:
    """Publish a version without deltas, in this process, a shard at a time.

    Args:
        gallery: the current version.
        plan: the index of new base segments; None for the gallery's own, which is the default's where a manifest does
            not have one.
        fit: which codebooks the gallery shall have. Those that it lacks are fitted by this plan, as far as there are
            rows enough; those that it has are fitted again as they were, from a sample of this plan's size.
        threshold: drift above which a codebook is fitted again.

    Raises:
        Conflict: another version is current, or another publisher was first; the message says with which version.
        GalleryError: an object of the gallery is not what the manifest says, or faiss cannot build an index.
    """
    expected, content = expect_current(gallery.store, gallery.version), gallery.manifest.content
    after = plan_after(gallery.manifest, plan)
    samples = (sample_of_shard(gallery, shard, fit.fit_rows) for shard in range(content.shards))
    choice = choose_codebooks(gallery, join_samples(samples, fit.fit_rows), fit=fit, threshold=threshold)
    objects, bases = dict(choice.objects), []
    for shard in range(content.shards):
        base, parts = fold_shard(
            gallery, shard, plan=after.index, codebooks=choice.codebooks, recode=bool(choice.refitted)
        )
        bases.append(base)
        objects |= parts
    result = Compacted(gallery, False, shards_with_deltas(content), choice.drift, choice.refitted)
    compacted = with_bases(content, bases, choice.references)
    if compacted.version() == gallery.version:
        return result
    manifest = gallery.manifest
    described = describe_version(
        manifest.name, compacted, parent=gallery.version, source=manifest.source, rows=manifest.rows, plan=after
    )
    stored = publish_objects(gallery.store, described, objects, expected=expected)
    return result._replace(gallery=Gallery(gallery.store, stored), published=True)
