"""The named metrics of one evaluation: which are computed, under which name, and what each name means."""

import numpy as np

from sketchray.config import Config
from sketchray.evaluation.metrics import average_precision, hit_rate, interpolated_average_precision, precision
from sketchray.evaluation.ranked import Bools, Floats, Ints, RankedBlock

CURVE = tuple(digit * power for power in (1, 10, 100, 1000, 10_000) for digit in (1, 2, 5))


class MetricConfig(Config):
    """Which cut-offs to report.

    Args:
        map_at: k of mAP@k, each with every denominator (mAP@all is always there).
        precision_at: k of P@k.
        hit_at: k of hit@k.
        tie_draws: random tie orders that an interpolated value is averaged over, where scores tie.
        seed: of those orders.
    """

    map_at: tuple[int, ...] = (200,)
    precision_at: tuple[int, ...] = (4, 100, 200)
    hit_at: tuple[int, ...] = (10,)
    tie_draws: int = 8
    seed: int = 0


def metric_values(ranked: RankedBlock, config: MetricConfig) -> dict[str, Floats]:
    """Compute every metric of the suite; each of shape (B,), NaN where a query has no relevant item."""
    cuts = (None, *config.map_at)
    voc = interpolated_average_precision(ranked, cuts, draws=config.tie_draws, seed=config.seed)
    values = {"map@all[plain]": average_precision(ranked), "map@all[voc]": voc[0]}
    for k, interpolated in zip(config.map_at, voc[1:], strict=True):
        values[f"map@{k}[min]"] = average_precision(ranked, k, denominator="min")
        values[f"map@{k}[hits]"] = average_precision(ranked, k, denominator="hits")
        values[f"map@{k}[all]"] = average_precision(ranked, k, denominator="all")
        values[f"map@{k}[voc]"] = interpolated
    for k in config.precision_at:
        values[f"p@{k}[k]"] = precision(ranked, k)
        values[f"p@{k}[min]"] = precision(ranked, k, denominator="min")
    for k in config.hit_at:
        values[f"hit@{k}"] = hit_rate(ranked, k)
    return values


def curve_ranks(gallery_size: int) -> Ints:
    """Return the ranks at which the curve of precision over rank is taken: 1, 2, 5, 10, ... up to the gallery."""
    return np.array([rank for rank in CURVE if rank <= gallery_size], np.int64)


def precision_curve(ranked: RankedBlock) -> Floats:
    """Return precision at the ranks of ``curve_ranks``; shape (B, ranks)."""
    return np.stack([precision(ranked, int(rank)) for rank in curve_ranks(ranked.gallery_size)], axis=1)


def tied_queries(ranked: RankedBlock) -> Bools:
    """Say which queries have a relevant item tie with another one, so that their values are expectations."""
    return ranked.sum_by_query(ranked.mixed_T) > 0


_AP = {
    "plain": "mean average precision, not interpolated (scikit-learn's, where nothing ties); expected value over ties",
    "voc": "the same under the VOC envelope, as SAKE, DSN, TVT, ZSE-SBIR, ClusterRetri, SBKA and AMA compute it",
}
_AP_AT = {
    "min": "average precision of the first {k} over min({k}, positives); never above P@{k} where positives >= {k}",
    "hits": "over the hits inside the first {k}, as the SEM-PCYC, UCDR and ProS line computes it: the largest variant",
    "all": "over all positives: the smallest variant",
    "voc": "VOC envelope of the first {k} over min({k}, positives), as SAKE and its successors compute it",
}
_P_AT = {
    "k": "precision of the first {k}, over {k}",
    "min": "precision of the first {k}, over min({k}, positives) (ZSE-SBIR)",
}


def describe(name: str) -> str:
    """Return one line that says what a metric name means and who computes it.

    Raises:
        ValueError: not a name that the suite makes.
    """
    head, _, variant = name.rstrip("]").partition("[")
    kind, _, k = head.partition("@")
    table = {"map": _AP if k == "all" else _AP_AT, "p": _P_AT, "hit": {"": "a relevant item among the first {k}"}}
    if variant not in table.get(kind, {}):
        raise ValueError(f"no metric is called {name!r}")
    return table[kind][variant].format(k=k)
