"""The second stage of an evaluation: rank and measure every setting, with every encoder and every ranking."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from jobs._evaluate_config import EvaluateConfig
from jobs._evaluate_embed import Vectors
from jobs._evaluate_report import make_report
from jobs._evaluate_samples import Cast
from jobs._evaluate_settings import Setting, settings
from jobs._measuring import evaluate_on_cluster, fit_binary, fit_ranking
from jobs._progress import Progress
from sketchray.evaluation import Harmonic, Report, Row

Matrix = npt.NDArray[np.number]
Classes = Sequence[str | None]


def evaluate_all(cast: Cast, vectors: Vectors, fingerprints: dict[str, str], config: EvaluateConfig) -> Report:
    """Measure every encoder and every ranking in every setting.

    Args:
        cast: the samples.
        vectors: their embeddings.
        fingerprints: of each encoder, by URI.
        config: the evaluation.

    Raises:
        ValueError: a gallery cannot be given the codebook or the bits asked for.
    """
    todo = settings(cast, config)
    asked = sum(len(vectors.readable(table)[0]) for setting in todo for table in setting.queries.values())
    columns = len(vectors.by_encoder) * (len(config.rankings()) + (config.binary is not None))
    bar = Progress(asked * columns, "measure", unit="query")
    rows, means = list[Row](), list[Harmonic]()
    for setting in todo:
        for encoder, embedding_ND in vectors.by_encoder.items():
            for measured in _measure(setting, vectors, embedding_ND, config, bar.add):
                made = [Row(**row, name=encoder, fingerprint=fingerprints[encoder]) for row in measured]
                rows += made
                if setting.harmonic is not None:
                    unseen, seen = made
                    means.append(Harmonic.of(seen, unseen, setting=setting.harmonic))
    bar.close()
    return make_report(cast, config, rows=rows, harmonic=tuple(means), unreadable=tuple(vectors.unreadable))


def _measure(
    setting: Setting, vectors: Vectors, embedding_ND: Matrix, config: EvaluateConfig, progress: Callable[[int], object]
) -> Iterator[list[dict[str, Any]]]:
    """Yield for each ranking, then for the binary codes, the fields of a row for each set of queries."""
    gallery, classes = vectors.readable(setting.gallery)
    queries = {name: vectors.readable(table) for name, table in setting.queries.items()}
    shared = ray.put(embedding_ND[gallery])

    def rows(encode: Callable[[Matrix], Matrix], gallery_GD: Any, about: dict[str, Any], **ranked: Any) -> Any:
        return [
            evaluate_on_cluster(
                encode(embedding_ND[numbers]),
                query_classes,
                gallery_GD,
                classes,
                **ranked,
                config=config.metrics,
                resources=config.resources,
                progress=progress,
            ).model_dump()
            | {"setting": name}
            | about
            for name, (numbers, query_classes) in queries.items()
        ]

    for ranking in config.rankings():
        codebook = fit_ranking(ranking, shared, resources=config.resources)
        yield rows(lambda x_ND: x_ND, shared, ranking.about(codebook), ranking=ranking, codebook=codebook)
    if config.binary is not None:
        itq = fit_binary(shared, bits=config.binary, resources=config.resources)
        codes = itq.encode(embedding_ND[gallery])
        yield rows(itq.encode, codes, {"ranking": f"{config.binary} bits", "transductive": True})
