"""``build``: list, read and decode, embed, fit the codebooks, make the segments, publish."""

from collections.abc import Sequence
from typing import Any

from jobs._cluster import connect
from jobs._index_config import BuildConfig, same_columns
from jobs._index_division import Division
from jobs._index_embed import EmbedPlan, embed_all
from jobs._index_parts import sampled_fraction
from jobs._index_publish import describe, find_run, publish_run, report_problems
from jobs._index_segments import fit, make_segments
from jobs._index_timing import Timing
from jobs._index_work import Work
from sketchray.encoders import Encoder, encoder_uri, load_encoder
from sketchray.gallery import Content, EncoderRef, GalleryError, GalleryPlan, gallery_store, read_pointer
from sketchray.gallery.index import plan_index
from sketchray.gallery.source import list_source
from sketchray.storage import default_store, open_store

SEVERAL = ", "  # between the sources, where a manifest names them in words


def build(config: BuildConfig) -> dict[str, Any]:
    """Build a gallery version, or go on, or find the finished one; return what there is to say of it."""
    timing = Timing()
    gallery = gallery_store(default_store(), config.gallery)
    expected = read_pointer(gallery)
    encoder, reference = find_encoder(config.encoder)
    check_plans(config, encoder.dim)
    with timing.of("list"):
        listing = list_source(config.source, exclude=config.exclude)
        config, shards = config.with_shards(listing.rows)
        pictures, listed = listing.divide(shards)
    columns = listing.columns
    run_id = config.run_id(listing=listed, encoder=reference, columns=same_columns(columns))
    division = Division(pictures.rows, pictures.rows_of, part_size=config.part_size)
    wanted = config.codebooks.fit_rows if config.codebooks.names else 0
    work = Work(gallery, run_id, sampled=sampled_fraction(division.rows, wanted))
    if found := find_run(work, expected=expected):
        return describe(gallery, found) | {"status": "found"}

    connect()
    finished = work.begin(parts=division.parts)
    plan = EmbedPlan(reference.uri, encoder.config.image_size, columns)
    with timing.of("pipeline"):
        embedded = embed_all(division, work.parts, config, plan, timing, finished=finished)
    problems = [*listing.problems, *embedded.problems]
    total = division.rows + len(listing.problems)
    report = report_problems(work, problems, total=total, max_bad=config.max_bad)
    with timing.of("codebooks"):
        codebooks = fit(work, config, dimension=encoder.dim)
    with timing.of("segments"):
        segments = make_segments(work, division, config, codebooks, dimension=encoder.dim, columns=columns)
    content = Content(
        encoder=reference,
        dimension=encoder.dim,
        shards=shards,
        segments=segments,
        columns=columns,
        codebooks=codebooks,
        report=report,
    )
    with timing.of("publish"):
        built = publish_run(
            work,
            content,
            name=config.gallery,
            source=SEVERAL.join(source_uris(config.source)),
            plan=GalleryPlan(sources=source_uris(config.source), exclude=config.exclude, index=config.index),
            rows=embedded.rows,
            expected=expected,
            problems=problems,
        )
    return describe(gallery, built) | {
        "status": "built",
        "parts": division.parts,
        "parts_resumed": len(finished),
        "seconds": timing.rounded(),
    }


def source_uris(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the sources as every machine names them."""
    return tuple(open_store(uri).uri for uri in sources)


def find_encoder(uri: str) -> tuple[Encoder, EncoderRef]:
    """Load an encoder; return it and how a manifest names it."""
    encoder = load_encoder(uri)
    return encoder, EncoderRef(uri=encoder_uri(uri), fingerprint=encoder.fingerprint)


def check_plans(config: BuildConfig, dimension: int) -> None:
    """Refuse what could not be built of the embeddings, before they are made.

    Raises:
        GalleryError: an unknown index, or chunks that the dimension does not divide into.
    """
    plan_index(config.index, 1, dimension)
    chunks = config.codebooks.chunks
    if config.codebooks.names and dimension % chunks:
        raise GalleryError(f"codebooks.chunks: {dimension} dimensions do not divide into {chunks} equal chunks")
