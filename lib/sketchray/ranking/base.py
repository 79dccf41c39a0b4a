"""What a ranking is: a codebook fitted once over the gallery (or none), then scores of any queries.

Shape legend: Q queries, B queries of a block, G gallery items, D dimensions, K answers.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from sketchray.ranking.codebook import Codebook
from sketchray.ranking.scoring import Scorer


class Searcher(Protocol):
    """Finds the best items of one gallery, prepared beforehand: what serving needs."""

    @property
    def rows(self) -> int:
        """Number of gallery items, G."""

    @property
    def dimension(self) -> int:
        """Number of dimensions, D."""

    def search(self, query_BD: npt.NDArray[np.number], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (score_BK float64, row_BK int64), best first, K = min(k, G); equal scores in the order of the row.

        Raises:
            ValueError: k below 1, or queries that cannot be used.
        """


class Ranker(ABC):
    """One way to order a gallery by a query. It holds its configuration only, so it is cheap to send to a task.

    Queries and gallery are compared by direction, whatever the length of their vectors.
    """

    transductive: ClassVar[bool]
    """Whether the order of two items depends on the rest of the gallery, which was clustered without labels."""

    @abstractmethod
    def fit(self, gallery_GD: npt.ArrayLike) -> Codebook | None:
        """Fit the codebook to the gallery: slow, done once, a function of the rows (in any order) and the seed.

        Returns:
            The codebook, or None where the ranking needs none.

        Raises:
            ValueError: the gallery cannot be given the codebook asked for.
        """

    @abstractmethod
    def scorer(self, queries_QD: npt.ArrayLike, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Scorer:
        """Return the scores of the queries against the whole gallery, a block of queries at a time.

        Args:
            queries_QD, gallery_GD: any float type, any length but zero; the gallery may be a memory map.
            codebook: what `fit` returned for this gallery.

        Raises:
            ValueError: dimensions differ, a row is zero or not finite, or the codebook is missing.
        """

    @abstractmethod
    def searcher(self, gallery_GD: npt.ArrayLike, codebook: Codebook | None) -> Searcher:
        """Return the top-k search over a gallery, in the order of `scorer`.

        Raises:
            ValueError: as `scorer`.
        """
