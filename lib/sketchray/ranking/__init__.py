"""How a query orders a gallery: rankers by name, one codebook idea, exact search."""

from sketchray.ranking.base import Ranker, Searcher
from sketchray.ranking.cluster import ClusterConfig, ClusterRanker, MixtureConfig, MixtureRanker
from sketchray.ranking.codebook import Codebook, CodebookError
from sketchray.ranking.manifold import ManifoldConfig, ManifoldRanker
from sketchray.ranking.nearest import Nearest
from sketchray.ranking.plain import NearestConfig, NearestRanker
from sketchray.ranking.registry import create_ranker, list_rankers, ranker_config, register_ranker
from sketchray.ranking.scoring import CosineScorer, Scorer
from sketchray.ranking.selection import Selection, select_codewords

__all__ = [
    "Codebook",
    "CodebookError",
    "CosineScorer",
    "Nearest",
    "Ranker",
    "Scorer",
    "Searcher",
    "Selection",
    "create_ranker",
    "list_rankers",
    "ranker_config",
    "register_ranker",
    "select_codewords",
]

register_ranker("cluster", ClusterRanker, ClusterConfig)
register_ranker("manifold", ManifoldRanker, ManifoldConfig)
register_ranker("mixture", MixtureRanker, MixtureConfig)
register_ranker("nearest", NearestRanker, NearestConfig)
