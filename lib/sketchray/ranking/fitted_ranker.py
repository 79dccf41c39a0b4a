"""What rankers with a codebook have in common: everything but the fit."""

import numpy.typing as npt
from pydantic import Field

from sketchray.config import Config
from sketchray.ranking.base import Ranker, Searcher
from sketchray.ranking.codebook import Codebook
from sketchray.ranking.matching import CodebookMatcher, TieBreak
from sketchray.ranking.scoring import MatcherScorer, Scorer
from sketchray.ranking.topk import Search


class FittedConfig(Config):
    """What every codebook ranking can be told.

    Attributes:
        fusion: weight of the own distance of query and item; 0 ranks by the codewords alone.
        tie_break: with fusion 0, the order inside a cluster; see `CodebookMatcher`.
        fit_rows: gallery rows that the codebook is fitted to, at most.
        seed: of the rows and of the fit.
    """

    fusion: float = Field(ge=0, le=1)
    tie_break: TieBreak = "own"
    fit_rows: int = Field(default=60_000, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


class FittedRanker(Ranker):
    """Fitted once to a sample of the gallery; see `CodebookMatcher` for the score."""

    transductive = True
    _config: FittedConfig

    def scorer(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Scorer:
        return MatcherScorer(queries_QD, self._matcher(gallery_GD, codebook))

    def searcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Searcher:
        return Search(self._matcher(gallery_GD, codebook))

    def _matcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> CodebookMatcher:
        if codebook is None:
            raise ValueError("this ranking needs the codebook that its fit to the gallery returned")
        return CodebookMatcher(gallery_GD, codebook, fusion=self._config.fusion, tie_break=self._config.tie_break)
