"""Slow, obvious definitions of the metrics: loops over one query's list, and over every order of its ties."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, permutations, product

import pytest

Metric = Callable[[Sequence[bool]], float]


class Slow:
    """Each metric of one ranked list of relevance flags, written as its definition reads."""

    @staticmethod
    def ap(flags: Sequence[bool], k: int | None = None, denominator: str = "min") -> float:
        k = len(flags) if k is None else k
        total, hits = 0.0, 0
        for rank, relevant in enumerate(flags[:k], start=1):
            if relevant:
                hits += 1
                total += hits / rank
        by = {"min": min(k, sum(flags)), "hits": hits, "all": sum(flags)}[denominator]
        return total / by if by else 0.0

    @staticmethod
    def voc_ap(flags: Sequence[bool], k: int | None = None) -> float:
        top = flags[: len(flags) if k is None else k]
        precisions = [sum(top[:rank]) / rank for rank in range(1, len(top) + 1)]
        total = sum(max(precisions[i:]) for i, relevant in enumerate(top) if relevant)
        return total / min(len(top), sum(flags))

    @staticmethod
    def precision(flags: Sequence[bool], k: int, denominator: str = "k") -> float:
        return sum(flags[:k]) / (k if denominator == "k" else min(k, sum(flags)))

    @staticmethod
    def hit(flags: Sequence[bool], k: int) -> float:
        return float(any(flags[:k]))

    @staticmethod
    def orders(scores: Sequence[float], flags: Sequence[bool]) -> Iterator[list[bool]]:
        """Every order of the list that its scores allow."""
        ranked = sorted(zip(scores, flags, strict=True), key=lambda item: -item[0])
        ties = [[flag for _, flag in group] for _, group in groupby(ranked, key=lambda item: item[0])]
        for choice in product(*(permutations(tie) for tie in ties)):
            yield [flag for tie in choice for flag in tie]

    @classmethod
    def expected(cls, metric: Metric, scores: Sequence[float], flags: Sequence[bool]) -> float:
        values = [metric(order) for order in cls.orders(scores, flags)]
        return sum(values) / len(values)


@pytest.fixture(scope="session")
def slow() -> type[Slow]:
    return Slow
