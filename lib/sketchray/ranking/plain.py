"""Plain retrieval: the gallery in the order of cosine similarity."""

import numpy as np
import numpy.typing as npt

from sketchray.config import Config
from sketchray.ranking.base import Ranker, Searcher
from sketchray.ranking.codebook import Codebook
from sketchray.ranking.nearest import Nearest
from sketchray.ranking.scoring import CosineScorer, Scorer, unit_rows


class NearestConfig(Config):
    """Nothing to set."""


class NearestRanker(Ranker):
    """Cosine similarity of query and item; nothing is fitted."""

    transductive = False

    def __init__(self, config: NearestConfig) -> None:
        """Take the configuration, which is empty."""

    def fit(self, gallery_GD: npt.ArrayLike) -> None:
        """Fit nothing."""

    def scorer(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Scorer:  # noqa: ARG002
        return CosineScorer(queries_QD, gallery_GD)

    def searcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Searcher:  # noqa: ARG002
        return Nearest(unit_rows(gallery_GD, "gallery").astype(np.float32))
