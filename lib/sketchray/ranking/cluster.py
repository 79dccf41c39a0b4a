"""Rankers with a codebook: cluster-then-retrieve and one-to-many mixture matching differ in the fit alone.

Shape legend: Q queries, G gallery items, N rows fitted to, D dimensions, M chunks, K codewords, C = D / M.
"""

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sketchray.config import Config
from sketchray.ranking.base import Ranker, Searcher
from sketchray.ranking.codebook import MAX_CODEWORDS, Codebook, Fitted
from sketchray.ranking.criteria import Criterion
from sketchray.ranking.kmeans import kmeans
from sketchray.ranking.matching import CodebookMatcher, TieBreak
from sketchray.ranking.mixture import Covariance, mixture_means
from sketchray.ranking.sampling import sample_rows
from sketchray.ranking.scoring import Floats, MatcherScorer, Scorer, as_vectors
from sketchray.ranking.selection import select_codewords
from sketchray.ranking.topk import Search

TOLD: tuple[Criterion, ...] = ("silhouette", "bic")  # beside the deciding criterion: a second opinion of small cost


class ClusterConfig(Config):
    """What a codebook ranking can be told; the defaults are the papers', the number of codewords aside.

    Attributes:
        chunks: M, equal parts of the dimensions, each with its own codewords. 1 is pure cluster-then-retrieve.
        codewords: K of each chunk, or ``auto``: chosen on the whole vectors without labels, by ``criterion``.
        criterion: what ``auto`` goes by; see `sketchray.ranking.select_codewords`.
        fusion: weight of the own distance of query and item; 0 ranks by the codewords alone.
        tie_break: with fusion 0, the order inside a cluster; see `CodebookMatcher`.
        fit_rows: gallery rows that the codebook is fitted to, at most.
        seed: of the rows and of the fit.
    """

    chunks: int = Field(default=2, ge=1)
    codewords: Annotated[int, Field(ge=1, le=MAX_CODEWORDS)] | Literal["auto"] = "auto"
    criterion: Criterion = "silhouette"
    fusion: float = Field(default=0.2, ge=0, le=1)
    tie_break: TieBreak = "own"
    fit_rows: int = Field(default=60_000, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


class MixtureConfig(ClusterConfig):
    """As `ClusterConfig`; ``covariance`` of the components: ``diag`` scales, ``full`` is the authors'."""

    covariance: Covariance = "diag"


class CodebookRanker(Ranker):
    """Fitted once to a sample of the gallery; see `CodebookMatcher` for the score."""

    transductive = True

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config

    @abstractmethod
    def _centres(self, chunk_NC: Floats, codewords: int) -> Floats:
        """Return the codewords (K, C) of one chunk."""

    @abstractmethod
    def _fit_of(self) -> tuple[Literal["kmeans", "gmm"], Covariance | None]:
        """Return the kind of the fit and its covariance."""

    def fit(self, gallery_GD: npt.ArrayLike) -> Codebook:
        config, dimension = self._config, as_vectors(gallery_GD, "gallery").shape[1]
        if dimension % config.chunks:
            raise ValueError(f"ranking.chunks: {dimension} dimensions do not divide into {config.chunks} equal chunks")
        x_ND = sample_rows(gallery_GD, config.fit_rows, seed=config.seed)
        selection = None
        if config.codewords == "auto":
            criteria = tuple(dict.fromkeys((config.criterion, *TOLD)))
            selection = select_codewords(gallery_GD, criteria=criteria, seed=config.seed)
        codewords = selection.codewords if selection else config.codewords
        assert codewords != "auto"
        chunks = np.split(x_ND, config.chunks, axis=1)
        kind, covariance = self._fit_of()
        return Codebook(
            centres_MKC=np.stack([self._centres(chunk_NC, codewords) for chunk_NC in chunks]).astype(np.float32),
            fitted=Fitted(kind=kind, covariance=covariance, seed=config.seed, rows=len(x_ND), selection=selection),
        )

    def scorer(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Scorer:
        return MatcherScorer(queries_QD, self._matcher(gallery_GD, codebook))

    def searcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Searcher:
        return Search(self._matcher(gallery_GD, codebook))

    def _matcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> CodebookMatcher:
        if codebook is None:
            raise ValueError("this ranking needs the codebook that its fit to the gallery returned")
        return CodebookMatcher(gallery_GD, codebook, fusion=self._config.fusion, tie_break=self._config.tie_break)


class ClusterRanker(CodebookRanker):
    """ClusterRetri (arXiv 2301.06685, the released test code): product k-means, 20 iterations from random points."""

    def _centres(self, chunk_NC: Floats, codewords: int) -> Floats:
        return kmeans(chunk_NC, codewords, seed=self._config.seed)

    def _fit_of(self) -> tuple[Literal["kmeans"], None]:
        return "kmeans", None


class MixtureRanker(CodebookRanker):
    """SBKA (arXiv 2312.10320, the released test code): the codewords are the means of a product Gaussian mixture.

    An item is coded by the nearest mean, not by its most likely component, as the authors do.
    """

    def __init__(self, config: MixtureConfig) -> None:
        super().__init__(config)
        self._covariance = config.covariance

    def _centres(self, chunk_NC: Floats, codewords: int) -> Floats:
        return mixture_means(chunk_NC, codewords, covariance=self._covariance, seed=self._config.seed)

    def _fit_of(self) -> tuple[Literal["gmm"], Covariance]:
        return "gmm", self._covariance
