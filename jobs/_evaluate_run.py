"""The two stages of an evaluation: embed every sample once with every encoder, then measure each gallery setting."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs._embedding import embed_samples
from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_samples import Cast
from jobs._measuring import evaluate_on_cluster
from jobs._progress import Progress
from sketchray.data.raster import RASTER_VERSION
from sketchray.evaluation import Report, Row, Unreadable


class Vectors(NamedTuple):
    """Embeddings of the samples that every encoder could be given."""

    row_of: dict[str, int]
    by_encoder: dict[str, npt.NDArray[np.float32]]
    unreadable: list[Unreadable]


def embed_all(cast: Cast, sizes: dict[str, int], config: EvaluateConfig) -> Vectors:
    """Embed all samples with all encoders; those of one image size share the reading.

    Args:
        cast: the samples.
        sizes: image size of each encoder, by URI.
        config: the evaluation.

    Raises:
        ValueError: too many samples are unreadable.
    """
    samples = cast.all
    by_size: dict[int, list[str]] = {}
    for encoder, size in sizes.items():
        by_size.setdefault(size, []).append(encoder)
    bar = Progress(samples.num_rows * len(by_size), "embed", unit="sample")
    by_encoder = dict[str, npt.NDArray[np.float32]]()
    ids, unreadable = list[str](), list[Unreadable]()
    for size, encoders in by_size.items():
        embedded = embed_samples(
            samples,
            encoders,
            image_size=size,
            batch_size=config.batch_size,
            resources=config.resources,
            progress=bar.add,
        )
        # What can be read does not depend on the size it is drawn at, so every size gives the same samples.
        assert not by_encoder or embedded.ids == ids
        ids, unreadable = embedded.ids, embedded.unreadable
        by_encoder |= dict(zip(encoders, embedded.vectors, strict=True))
    bar.close()
    if len(unreadable) > config.max_bad * samples.num_rows:
        raise ValueError(
            f"{len(unreadable)} of {samples.num_rows} samples are unreadable, more than max_bad={config.max_bad} "
            f"allows; the first: {unreadable[0].uri}: {unreadable[0].reason}"
        )
    return Vectors({identifier: row for row, identifier in enumerate(ids)}, by_encoder, unreadable)


def evaluate_all(cast: Cast, vectors: Vectors, fingerprints: dict[str, str], config: EvaluateConfig) -> Report:
    """Measure every encoder on every gallery setting.

    Args:
        cast: the samples.
        vectors: their embeddings.
        fingerprints: of each encoder, by URI.
        config: the evaluation.
    """
    galleries = {f"{config.gallery_split} pictures": cast.gallery}
    if config.distractors:
        galleries[f"{config.gallery_split} pictures and distractors"] = pa.concat_tables(
            # A distractor is relevant to nothing, also where a query's class has photos in another split.
            [cast.gallery.select(["id", "class_name"]), _unlabelled(cast.distractors)]
        )
    queries, query_classes = _readable(cast.queries, vectors)
    bar = Progress(len(queries) * len(galleries) * len(vectors.by_encoder), "measure", unit="query")
    rows = []
    for setting, table in galleries.items():
        gallery, gallery_classes = _readable(table, vectors)
        for encoder, embedding_ND in vectors.by_encoder.items():
            evaluation = evaluate_on_cluster(
                embedding_ND[queries],
                query_classes,
                embedding_ND[gallery],
                gallery_classes,
                config=config.metrics,
                resources=config.resources,
                progress=bar.add,
            )
            rows.append(
                Row(**evaluation.model_dump(), name=encoder, setting=setting, fingerprint=fingerprints[encoder])
            )
    bar.close()
    return Report(
        title=f"Retrieval of {config.gallery_split} pictures by {config.query_split} sketches",
        protocol={
            "queries": f"sketches of the {config.query_split} classes",
            "gallery": f"photos of the {config.gallery_split} classes, exact search by cosine",
            "samples": cast.fingerprint,
            "sketches at most of each class": config.max_queries_per_class,
            "distractors at most": config.max_distractors,
            "raster version": RASTER_VERSION,
        },
        rows=rows,
        unreadable=tuple(vectors.unreadable),
    )


def _readable(table: pa.Table, vectors: Vectors) -> tuple[list[int], list[str | None]]:
    """Return the embedding row and the class of every sample that has an embedding."""
    pairs = zip(table["id"].to_pylist(), table["class_name"].to_pylist(), strict=True)
    kept = [(vectors.row_of[identifier], name) for identifier, name in pairs if identifier in vectors.row_of]
    return [row for row, _ in kept], [name for _, name in kept]


def _unlabelled(table: pa.Table) -> pa.Table:
    return table.select(["id"]).append_column("class_name", pa.nulls(table.num_rows, pa.string()))
