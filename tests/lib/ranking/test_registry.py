"""Rankers by name."""

import numpy as np
import pytest

from sketchray.config import ConfigError
from sketchray.ranking import create_ranker, list_rankers


def test_an_unknown_ranker_or_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown ranker 'farthest'; known: .*nearest"):
        create_ranker("farthest")
    with pytest.raises(ConfigError, match=r"ranking\.k"):
        create_ranker("nearest", k=3)


@pytest.mark.parametrize("name", list_rankers())
def test_every_ranker_fits_scores_and_searches(name: str) -> None:
    rng = np.random.default_rng(0)
    gallery_GD, query_BD = rng.normal(size=(90, 6)), rng.normal(size=(4, 6))
    ranker = create_ranker(name) if name == "nearest" else create_ranker(name, codewords=5)
    codebook = ranker.fit(gallery_GD)
    assert (codebook is None) == (not ranker.transductive)
    scores_BG = ranker.scorer(query_BD, gallery_GD, codebook)(slice(0, 4))
    score_BK, row_BK = ranker.searcher(gallery_GD, codebook).search(_unit(query_BD), 90)
    assert row_BK.tolist() == np.argsort(-scores_BG, axis=1, kind="stable").tolist()
    np.testing.assert_allclose(score_BK, np.take_along_axis(scores_BG, row_BK, axis=1), rtol=0, atol=1e-6)


def _unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True))
