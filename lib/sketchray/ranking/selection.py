"""How many codewords: chosen without a label, by what the gallery's own vectors say."""

from typing import Literal

from pydantic import Field

from sketchray.config import Config

Criterion = Literal["silhouette", "bic", "stability"]


class Scores(Config):
    """What one criterion says: its score for each number of codewords, higher is better, and the one it chooses."""

    criterion: Criterion
    scores: tuple[float, ...]
    choice: int = Field(ge=1)


class Selection(Config):
    """A choice of the number of codewords K that saw no label.

    Attributes:
        codewords: the K taken, that of the first criterion.
        grid: the numbers tried, ascending.
        criteria: what each criterion says, the deciding one first.
        rows: gallery rows that were looked at.
        dimensions: principal directions of them that were kept.
    """

    codewords: int = Field(ge=1)
    grid: tuple[int, ...]
    criteria: tuple[Scores, ...]
    rows: int
    dimensions: int

    def table(self) -> str:
        """Return the scores as a Markdown table, a row a number of codewords; a criterion's own choice is marked *."""
        lines = ["| K | " + " | ".join(column.criterion for column in self.criteria) + " |"]
        lines.append("|---:|" + "---:|" * len(self.criteria))
        for place, codewords in enumerate(self.grid):
            cells = [
                f"{column.scores[place]:.4g}{'*' if column.choice == codewords else ''}" for column in self.criteria
            ]
            lines.append(f"| {codewords} | " + " | ".join(cells) + " |")
        return "\n".join(lines)
