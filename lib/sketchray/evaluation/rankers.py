"""Which rankings an evaluation compares, and what its report says of each."""

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, model_validator

from sketchray.config import Config
from sketchray.evaluation.rows import NEAREST
from sketchray.ranking import Codebook, Ranker, create_ranker, ranker_config


class RankerConfig(Config):
    """A ranker by name, and beside the name its own options, those of `sketchray.ranking.ranker_config`.

    Attributes:
        name: one of `sketchray.ranking.list_rankers()`.
        oracle: evaluate with each of these numbers of codewords as well; the best is read off the labels, so every such
            row is marked.

    Example:
        >>> len(RankerConfig(name="nearest").rankings())
        1
    """

    model_config = ConfigDict(extra="allow", frozen=True)  # the ranker refuses what it does not know

    name: str = NEAREST
    oracle: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _ranker_takes_the_options(self) -> "RankerConfig":
        for ranking in self.rankings():
            ranking.ranker()
        return self

    def rankings(self) -> tuple["Ranking", ...]:
        """Return the ranking itself, then those of the oracle sweep."""
        options = self.model_extra or {}
        sweep = (Ranking(self.name, options | {"codewords": codewords}, oracle=True) for codewords in self.oracle)
        return (Ranking(self.name, options), *sweep)


@dataclass(frozen=True)
class Ranking:
    """One ranking with the options given for it; small enough to send to any task."""

    name: str
    options: dict[str, Any]
    oracle: bool = False

    def ranker(self) -> Ranker:
        """Build it."""
        return create_ranker(self.name, **self.options)

    def resolved(self) -> dict[str, Any]:
        """Return all options, defaults filled in."""
        return ranker_config(self.name, **self.options).model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """Return everything that its row of a report depends on."""
        return {"name": self.name, "options": self.resolved(), "oracle": self.oracle}

    def about(self, codebook: Codebook | None) -> dict[str, Any]:
        """Return what a report's row says of the ranking (fields of `Entry`).

        Args:
            codebook: what it was fitted to; None where the ranking needs none.
        """
        about = {"ranking": self.name, "transductive": self.ranker().transductive, "oracle": self.oracle}
        if codebook is None:
            return about
        selection, told = codebook.fitted.selection, {"chunks", "codewords"}
        label = f"{self.name} M={codebook.chunks} K={codebook.codewords}{' (auto)' if selection else ''}"
        shown = {"fusion"} | {name for name, value in self.options.items() if value != self._default(name)}
        others = {name: value for name, value in self.resolved().items() if name in shown - told}
        label += "".join(f" {name}={value}" for name, value in others.items())
        return about | {"ranking": label, "selection": selection}

    def _default(self, option: str) -> Any:
        return ranker_config(self.name).model_dump(mode="json")[option]
