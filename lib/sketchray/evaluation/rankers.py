"""Which rankings an evaluation compares, and what its report says of each."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from sketchray.config import Config
from sketchray.evaluation.rows import NEAREST
from sketchray.ranking import Codebook, Ranker, create_ranker


class RankerConfig(Config):
    """A ranker by name with its own options, those of `sketchray.ranking`; None leaves the ranker's default.

    Attributes:
        name: one of `sketchray.ranking.list_rankers()`.
        chunks: M, parts of the dimensions that have codewords of their own.
        codewords: K of each chunk, or ``auto``: chosen without labels.
        fusion: weight of the item's own distance beside that of its codewords.
        covariance: of a mixture's components.
        seed: of the fit.
        oracle: evaluate with each of these K as well; the best is read off the labels, so every such row is marked.
    """

    name: str = NEAREST
    chunks: int | None = Field(default=None, ge=1)
    codewords: int | Literal["auto"] | None = None
    fusion: float | None = Field(default=None, ge=0, le=1)
    covariance: Literal["diag", "full"] | None = None
    seed: int | None = None
    oracle: tuple[int, ...] = ()

    def rankings(self) -> tuple["Ranking", ...]:
        """Return the ranking itself, then those of the oracle sweep.

        Raises:
            ConfigError: unknown ranker, or an option it does not have or cannot use.
        """
        options = self.model_dump(exclude={"name", "oracle"}, exclude_none=True)
        sweep = [Ranking(self.name, options | {"codewords": codewords}, oracle=True) for codewords in self.oracle]
        rankings = (Ranking(self.name, options), *sweep)
        for ranking in rankings:
            ranking.ranker()  # so that a mistake is said before anything is embedded
        return rankings


@dataclass(frozen=True)
class Ranking:
    """One ranking with all its options; small enough to send to any task."""

    name: str
    options: dict[str, Any]
    oracle: bool = False

    def ranker(self) -> Ranker:
        """Build it."""
        return create_ranker(self.name, **self.options)

    def about(self, codebook: Codebook | None) -> dict[str, Any]:
        """Return what a report's row says of the ranking (fields of `Entry`).

        Args:
            codebook: what it was fitted to; None where the ranking needs none.
        """
        about = {"ranking": self.name, "transductive": self.ranker().transductive, "oracle": self.oracle}
        if codebook is None:
            return about
        selection = codebook.fitted.selection
        auto = " (auto)" if selection else ""
        label = f"{self.name} M={codebook.chunks} K={codebook.codewords}{auto}"
        label += "".join(
            f" {name}={value}" for name, value in self.options.items() if name not in ("chunks", "codewords")
        )
        return about | {"ranking": label, "selection": selection}
