"""``update``: what the source shows beside the live rows; only what is new or changed is embedded, into deltas."""

from typing import Any

from pydantic import Field

from jobs._cluster import connect
from jobs._index_build import SEVERAL, find_encoder, source_uris
from jobs._index_config import EXCLUDE, EmbedConfig, same_columns
from jobs._index_deltas import compare_shards, make_deltas
from jobs._index_division import Division
from jobs._index_embed import EmbedPlan, embed_all
from jobs._index_publish import describe, find_run, publish_run, report_problems
from jobs._index_timing import Timing
from jobs._index_work import Work
from sketchray.encoders import Encoder
from sketchray.gallery import Gallery, GalleryError, GalleryPlan, open_gallery
from sketchray.gallery.deltas import with_deltas
from sketchray.gallery.publish import expect_current
from sketchray.gallery.source import list_source
from sketchray.storage import default_store


class UpdateConfig(EmbedConfig):
    """An update: the gallery becomes what the source is now.

    Attributes:
        source: as `BuildConfig`'s; None for the gallery's.
        exclude: as `BuildConfig`'s; None for the gallery's.
        encoder: as `BuildConfig`'s; it must be the gallery's. None for the gallery's, from where it was.
    """

    source: tuple[str, ...] | None = Field(default=None, min_length=1)
    exclude: tuple[str, ...] | None = None
    encoder: str | None = None


def update(config: UpdateConfig) -> dict[str, Any]:
    """Publish a version that has what the source has now; or say that it is the same."""
    timing = Timing()
    gallery = open_gallery(default_store(), config.gallery)
    store, content = gallery.store, gallery.manifest.content
    expected = expect_current(store, gallery.version)
    encoder, made = gallerys_encoder(gallery, config.encoder), plan_of(gallery, config)
    with timing.of("list"):
        listing = list_source(made.sources, exclude=made.exclude)
        pictures, listed = listing.divide(content.shards)
    total = sum(pictures.rows) + len(listing.problems)
    columns = same_columns(listing.columns)
    run_id = config.run_id(listing=listed, encoder=content.encoder, columns=columns, parent=gallery.version)
    work = Work(store, run_id)
    if found := find_run(work, expected=expected):
        return describe(store, found) | {"status": "found"}

    connect()
    with timing.of("compare"):
        changes = compare_shards(gallery, pictures, config.resources)
    pictures.close()
    division = Division(changes.embedded, changes.to_embed, part_size=config.part_size)
    finished = work.begin(parts=division.parts)
    plan = EmbedPlan(content.encoder.uri, encoder.config.image_size, content.columns)
    with timing.of("pipeline"):
        embedded = embed_all(division, work.parts, config, plan, timing, finished=finished)
    problems = [*listing.problems, *embedded.problems]
    report = report_problems(work, problems, total=total, max_bad=config.max_bad)
    with timing.of("segments"):
        deltas = make_deltas(work, gallery, division, changes, config.resources)
    updated = with_deltas(content, [delta.segment for delta in deltas], report=report)
    said = changes.counted() | {"parts_resumed": len(finished)}
    if updated.version() == gallery.version:
        work.remove()
        return describe(store, gallery.manifest) | {"status": "unchanged", **said, "seconds": timing.rounded()}
    with timing.of("publish"):
        published = publish_run(
            work,
            updated,
            name=config.gallery,
            source=SEVERAL.join(made.sources),
            plan=made,
            rows=sum(delta.rows for delta in deltas),
            expected=expected,
            problems=problems,
        )
    return describe(store, published) | {"status": "updated", **said, "seconds": timing.rounded()}


def plan_of(gallery: Gallery, config: UpdateConfig) -> GalleryPlan:
    """Return how an update goes on with a gallery: as before, but for what it is told.

    Raises:
        GalleryError: it is not told the source, and the manifest is from before the sources were kept one by one.
    """
    manifest, plan = gallery.manifest, gallery.manifest.plan or GalleryPlan()
    sources, exclude = (plan.sources, plan.exclude) if plan.sources else ((manifest.source,), EXCLUDE)
    if config.source is not None:
        sources = source_uris(config.source)
    elif not plan.sources and SEVERAL in manifest.source:
        raise GalleryError(f"gallery {manifest.name}: which of {manifest.source} is a source of its own? Give source=")
    exclude = exclude if config.exclude is None else config.exclude
    return plan.model_copy(update={"sources": sources, "exclude": exclude})


def gallerys_encoder(gallery: Gallery, uri: str | None) -> Encoder:
    """Load the encoder of an update.

    Raises:
        GalleryError: it is not the gallery's: an update keeps the vectors that are there.
    """
    reference = gallery.manifest.encoder
    encoder, found = find_encoder(uri or reference.uri)
    if found.fingerprint != reference.fingerprint:
        raise GalleryError(
            f"gallery {gallery.manifest.name} was embedded by {reference.uri} ({reference.fingerprint}); "
            f"{found.uri} is another encoder ({found.fingerprint}). An update keeps the vectors that are there: leave "
            f"out encoder=, or build the gallery anew"
        )
    return encoder
