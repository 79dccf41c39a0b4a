"""A whole gallery in this process: rows that fit into memory to a published version."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sketchray.gallery.build import DEFAULT_PLAN, describe_version, encode_report, encode_segment, place
from sketchray.gallery.codebooks import FitPlan, encode_codebooks, fit_codebooks, take_sample
from sketchray.gallery.manifest import Column, Content, EncoderRef
from sketchray.gallery.plan import GalleryPlan, IndexPlan
from sketchray.gallery.publish import gallery_store, publish_objects, read_pointer
from sketchray.gallery.reader import Gallery
from sketchray.gallery.segment import embedding_matrix
from sketchray.gallery.sharding import rows_by_shard
from sketchray.storage import Store


def write_gallery(
    store: Store,
    name: str,
    rows: pa.Table,
    *,
    encoder: EncoderRef,
    source: str,
    shards: int = 1,
    plan: IndexPlan = DEFAULT_PLAN,
    codebooks: FitPlan | None = None,
    columns: Sequence[Column] = (),
    problems: Sequence[Mapping[str, str]] = (),
) -> Gallery:
    """Build and publish a gallery whose rows fit into memory, in this process.

    Args:
        store: where the galleries are.
        name: the gallery.
        rows: of `row_schema`.
        encoder: what made the embeddings.
        source: URI of the pictures.
        shards: how many.
        plan: the index of each shard.
        codebooks: what to fit; None for nearest ranking only.
        columns: metadata columns of the rows.
        problems: pictures that could not be read.

    Raises:
        Conflict: another publisher was first.
        GalleryError: not a gallery name, or faiss cannot build the index.
    """
    gallery = gallery_store(store, name)
    expected = read_pointer(gallery)
    report, data = encode_report(problems)
    fit = codebooks or FitPlan(names=())
    sample_ND = embedding_matrix(take_sample(rows, fit.fit_rows))
    fitted = fit_codebooks(sample_ND, fit)
    references, objects = encode_codebooks(fitted, sample_ND)
    objects[report.key], segments = data, []
    for shard, mine in enumerate(rows_by_shard(rows, shards)):
        segment, parts = encode_segment(mine, shard=shard, plan=plan, codebooks=fitted)
        segments.append(segment)
        objects.update(parts)
    content = place(
        Content(
            encoder=encoder,
            dimension=sample_ND.shape[1],
            shards=shards,
            segments=tuple(segments),
            columns=tuple(columns),
            codebooks=references,
            report=report,
        )
    )
    parent = expected.version if expected else None
    described = describe_version(
        name, content, parent=parent, source=source, rows=rows.num_rows, plan=GalleryPlan(index=plan)
    )
    return Gallery(gallery, publish_objects(gallery, described, objects, expected=expected))
