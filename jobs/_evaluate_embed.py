"""The first stage of an evaluation: embed every sample once with every encoder."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs._embedding import embed_samples
from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_samples import Cast
from jobs._progress import Progress
from sketchray.evaluation import Unreadable


class Vectors(NamedTuple):
    """Embeddings of the samples that every encoder could be given."""

    row_of: dict[str, int]
    by_encoder: dict[str, npt.NDArray[np.float32]]
    unreadable: list[Unreadable]

    def readable(self, table: pa.Table) -> tuple[list[int], list[str | None]]:
        """Return the embedding row and the class of every sample that has an embedding."""
        pairs = zip(table["id"].to_pylist(), table["class_name"].to_pylist(), strict=True)
        kept = [(self.row_of[identifier], name) for identifier, name in pairs if identifier in self.row_of]
        return [row for row, _ in kept], [name for _, name in kept]


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
