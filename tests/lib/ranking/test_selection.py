"""The number of codewords without labels: each criterion finds the clusters that are there, in bounded time."""

from typing import Any

import numpy as np
import pytest

from sketchray.ranking import create_ranker, select_codewords
from sketchray.ranking.criteria import SPLITS, Criterion, stability
from sketchray.ranking.selection import ROWS, geometric_grid


@pytest.mark.parametrize("criterion", ["silhouette", "bic", "stability"])
@pytest.mark.parametrize("clusters", [4, 14])
def test_each_criterion_finds_the_blobs(criterion: Any, clusters: int, blobs: Any) -> None:
    x_ND = blobs(clusters=clusters, rows=40, dim=32, spread=0.5)
    found = select_codewords(x_ND, criteria=(criterion,)).codewords
    assert clusters / 1.5 <= found <= clusters * 1.5, "a step of the grid off at most"


def test_the_first_criterion_decides_and_all_are_told(blobs: Any) -> None:
    selection = select_codewords(blobs(clusters=6, rows=40), criteria=("bic", "silhouette"), grid=(3, 6, 12))
    assert selection.codewords == selection.criteria[0].choice
    assert [said.criterion for said in selection.criteria] == ["bic", "silhouette"]
    lines = selection.table().splitlines()
    assert lines[0] == "| K | bic | silhouette |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 3", "| 6", "| 12"]
    assert sum("*" in line.split(" | ")[1] for line in lines[2:]) == 1


def test_silhouette_is_its_definition(blobs: Any) -> None:
    x_ND = blobs(clusters=2, rows=10, dim=16, spread=0.2)
    x_ND /= np.linalg.norm(x_ND, axis=1, keepdims=True)
    (said,) = select_codewords(x_ND, criteria=("silhouette",), grid=(2,)).criteria
    values = []
    for i in range(20):
        far = [float(np.linalg.norm(x_ND[i] - x_ND[j])) for j in range(20)]
        same = [far[j] for j in range(20) if j // 10 == i // 10 and j != i]
        other = [far[j] for j in range(20) if j // 10 != i // 10]
        a, b = sum(same) / 9, sum(other) / 10
        values.append((b - a) / max(a, b))
    assert said.scores[0] == pytest.approx(sum(values) / 20, abs=1e-6)


def test_stability_is_perfect_where_halves_agree_and_takes_the_largest_of_those(blobs: Any) -> None:
    x_ND = blobs(clusters=2, rows=60, dim=4, spread=0.01)
    judged = stability(x_ND, (2, 3, 6), seed=0)
    assert judged.scores[0] == 1
    assert judged.choice == 2
    assert max(judged.scores[1:]) < 1
    assert SPLITS > 1


def test_the_cost_is_bounded_and_the_order_of_rows_does_not_matter(blobs: Any) -> None:
    x_ND = blobs(clusters=3, rows=2_000, dim=4)
    selection = select_codewords(x_ND, criteria=("bic",), grid=(2, 3, 4), seed=3)
    assert selection.rows == ROWS
    assert selection == select_codewords(x_ND[::-1], criteria=("bic",), grid=(2, 3, 4), seed=3)


def test_auto_goes_by_the_criterion_of_the_configuration_and_tells_another(blobs: Any) -> None:
    gallery_GD = blobs(clusters=6, rows=30)
    criteria: tuple[Criterion, ...] = ("silhouette", "bic")
    for criterion in criteria:
        codebook = create_ranker("cluster", criterion=criterion).fit(gallery_GD)
        assert codebook is not None
        both: tuple[Criterion, ...] = (criterion, "bic" if criterion == "silhouette" else "silhouette")
        assert codebook.fitted.selection == select_codewords(gallery_GD, criteria=both)
        assert codebook.codewords == codebook.fitted.selection.codewords


def test_grids_that_the_rows_cannot_answer_are_refused(blobs: Any) -> None:
    assert geometric_grid(100) == [2, 3, 4, 6, 8, 11]
    assert geometric_grid(10**6)[-1] == 128
    for rows, grid in ((15, None), (100, (2, 13)), (100, (1, 2)), (100, ())):
        with pytest.raises(ValueError, match=f"{rows} rows do not tell how many codewords"):
            select_codewords(blobs(clusters=1, rows=rows), grid=grid)
