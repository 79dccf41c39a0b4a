"""Rankers with a codebook: cluster-then-retrieve and one-to-many mixture matching differ in the fit alone.

Shape legend: G gallery items, N rows fitted to, D dimensions, M chunks, K codewords, C = D / M.
"""

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sketchray.ranking.codebook import MAX_CODEWORDS, Codebook, Fitted
from sketchray.ranking.criteria import Criterion
from sketchray.ranking.fitted_ranker import FittedConfig, FittedRanker
from sketchray.ranking.kmeans import kmeans
from sketchray.ranking.mixture import Covariance, mixture_means
from sketchray.ranking.sampling import sample_rows
from sketchray.ranking.scoring import Floats, as_vectors
from sketchray.ranking.selection import select_codewords

TOLD: tuple[Criterion, ...] = ("silhouette", "bic")  # beside the deciding criterion: a second opinion of small cost


class ClusterConfig(FittedConfig):
    """What a product codebook can be told beside `FittedConfig`; the defaults are the papers', but for codewords.

    Attributes:
        chunks: M, equal parts of the dimensions, each with its own codewords. 1 is pure cluster-then-retrieve.
        codewords: K of each chunk, or ``auto``: chosen on the whole vectors without labels, by ``criterion``.
        criterion: what ``auto`` goes by; see `sketchray.ranking.select_codewords`.
    """

    chunks: int = Field(default=2, ge=1)
    codewords: Annotated[int, Field(ge=1, le=MAX_CODEWORDS)] | Literal["auto"] = "auto"
    criterion: Criterion = "silhouette"
    fusion: float = Field(default=0.2, ge=0, le=1)


class MixtureConfig(ClusterConfig):
    """As `ClusterConfig`; ``covariance`` of the components: ``diag`` scales, ``full`` is the authors'."""

    covariance: Covariance = "diag"


class ProductRanker(FittedRanker):
    """A ranking whose codebook is fitted chunk by chunk."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config: ClusterConfig = config

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


class ClusterRanker(ProductRanker):
    """ClusterRetri (arXiv 2301.06685, the released test code): product k-means, 20 iterations from random points."""

    def _centres(self, chunk_NC: Floats, codewords: int) -> Floats:
        return kmeans(chunk_NC, codewords, seed=self._config.seed)

    def _fit_of(self) -> tuple[Literal["kmeans"], None]:
        return "kmeans", None


class MixtureRanker(ProductRanker):
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
