"""The audited evaluator: metrics with named variants, expectations over ties, chance level, bounded memory."""

from sketchray.evaluation.rankers import RankerConfig, Ranking
from sketchray.evaluation.report import Report, Unreadable
from sketchray.evaluation.retrieval import PerQuery, class_numbers, evaluate, measure
from sketchray.evaluation.rows import Harmonic, Row
from sketchray.evaluation.suite import MetricConfig, describe
from sketchray.evaluation.summary import Evaluation, harmonic_means, summarise

__all__ = [
    "Evaluation",
    "Harmonic",
    "MetricConfig",
    "PerQuery",
    "RankerConfig",
    "Ranking",
    "Report",
    "Row",
    "Unreadable",
    "class_numbers",
    "describe",
    "evaluate",
    "harmonic_means",
    "measure",
    "summarise",
]
