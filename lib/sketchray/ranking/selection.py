"""How many codewords: chosen without a label, by what the gallery's own vectors say."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sketchray.config import Config
from sketchray.ranking.criteria import Criterion, bic, silhouette, stability
from sketchray.ranking.sampling import sample_rows
from sketchray.ranking.scoring import Floats

ROWS = 5_000  # looked at, so that the time does not grow with the gallery
DIMENSIONS = 64  # principal directions: in hundreds of dimensions every criterion drowns in noise
LARGEST = 128
ROWS_A_CODEWORD = 8  # at least, in the sample
CRITERIA = {"silhouette": silhouette, "bic": bic, "stability": stability}


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


def select_codewords(
    gallery_GD: npt.ArrayLike,
    *,
    criteria: Sequence[Criterion] = ("silhouette", "bic", "stability"),
    grid: Sequence[int] | None = None,
    seed: int = 0,
) -> Selection:
    """Choose the number of codewords K by a sample of the gallery; no label is asked for.

    At most 5,000 rows are looked at, in at most 64 principal directions (centred). K counts clusters of whole vectors,
    and a product codebook takes the same K for each of its chunks.

    Args:
        gallery_GD: of any length but zero.
        criteria: what to compute; the first one decides. ``silhouette`` and ``stability`` judge k-means, ``bic`` a
            diagonal Gaussian mixture; see `sketchray.ranking.criteria`.
        grid: numbers to try; `geometric_grid` if not given.
        seed: of the sample and of every fit.

    Raises:
        ValueError: fewer than 16 rows, or a grid that is empty or asks for more than an eighth of the rows.
    """
    x_ND = _principal(sample_rows(gallery_GD, ROWS, seed=seed))
    numbers = sorted(set(geometric_grid(len(x_ND)) if grid is None else grid))
    if not numbers or numbers[0] < 2 or numbers[-1] * ROWS_A_CODEWORD > len(x_ND):
        raise ValueError(
            f"{len(x_ND)} rows do not tell how many codewords to take: 2 at least, {ROWS_A_CODEWORD} rows for each"
        )
    judged = {name: CRITERIA[name](x_ND, numbers, seed=seed) for name in criteria}
    return Selection(
        codewords=judged[criteria[0]].choice,
        grid=tuple(numbers),
        criteria=tuple(Scores(criterion=name, scores=said.scores, choice=said.choice) for name, said in judged.items()),
        rows=len(x_ND),
        dimensions=x_ND.shape[1],
    )


def geometric_grid(rows: int) -> list[int]:
    """Return 2, 3, 4, 6, 8, 11, 16, ... 128: steps of the square root of 2, up to an eighth of the rows."""
    largest = min(LARGEST, rows // ROWS_A_CODEWORD)
    return sorted({round(2 ** (half / 2)) for half in range(2, 15) if round(2 ** (half / 2)) <= largest})


def _principal(x_ND: Floats) -> Floats:
    """Return the rows in their leading principal directions, centred."""
    centred_ND = x_ND - x_ND.mean(axis=0)
    _, vectors_DD = np.linalg.eigh(centred_ND.T @ centred_ND)
    return np.asarray(centred_ND @ vectors_DD[:, ::-1][:, :DIMENSIONS])
