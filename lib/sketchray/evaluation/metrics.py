"""Retrieval metrics with their variants named; every value is exact over ties, or a mean of seeded tie orders.

Tables of this field mix definitions that differ by up to 0.2 on the same ranking, most of it through the denominator of
mAP@k. Each function here is one definition, and says who computes it. All take a block of ranked queries and return one
float64 a query (shape legend in ``ranked``); a query without a relevant item in the gallery gets NaN.

The expectation over ties of average precision follows McSherry and Najork, "Computing information retrieval
performance measures efficiently in the presence of tied scores", ECIR 2008.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sketchray.evaluation.ranked import Floats, Ints, RankedBlock
from sketchray.evaluation.ties import draw_ranks, harmonic, hypergeometric

MapDenominator = Literal["min", "hits", "all"]
PrecisionDenominator = Literal["k", "min"]


def average_precision(ranked: RankedBlock, k: int | None = None, *, denominator: MapDenominator = "min") -> Floats:
    """Plain (not interpolated) average precision, its exact expectation over ties.

    The precisions at the ranks of the relevant items among the first k are summed and divided by

    - ``min``: min(k, positives), the best sum a ranking can reach. Bounded by P@k when positives >= k.
    - ``hits``: the relevant items found among the first k (0 where none is). scikit-learn's average precision of the
      top-k list, as in the SEM-PCYC, UCDR and ProS line; the largest of the three, by 0.2 and more.
    - ``all``: all positives; the smallest.

    Without k all three are one number, scikit-learn's ``average_precision_score`` where no scores tie (with ties that
    function takes a tie group as one step, which is neither an expectation nor the value of any order).
    """
    cut = _cut(ranked, k)
    if denominator == "hits":
        return _nan_without_positives(ranked, _gain_over_hits(ranked, cut))
    best = ranked.positives_B if denominator == "all" else np.minimum(ranked.positives_B, cut)
    return _divide(_expected_gain(ranked, cut), best)


def interpolated_average_precision(
    ranked: RankedBlock, cuts: Sequence[int | None] = (None,), *, draws: int = 8, seed: int = 0
) -> list[Floats]:
    """Average precision under the VOC envelope: each precision is raised to the best one at a later rank up to k.

    This is what SAKE and its successors compute (DSN, TCN, TVT, ACNet, ZSE-SBIR, ClusterRetri, SBKA, AMA), with the
    denominator min(k, positives); it exceeds the plain value by some 0.003 to 0.005. The envelope has no closed
    expectation over ties: what the envelope adds to the plain value, whose expectation is exact, is averaged over
    ``draws`` seeded random orders. Without ties the result is exact.

    Args:
        cuts: values of k, None for the whole gallery.
        draws: tie orders to average; seed: of those orders.

    Returns:
        One array of shape (B,) a cut.
    """
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    tied_B = ranked.sum_by_query(ranked.mixed_T) > 0
    added_CB = np.zeros((len(cuts), ranked.rows))
    for draw in range(draws if tied_B.any() else 1):
        row, rank = draw_ranks(ranked, draw=draw, seed=seed)
        first = np.cumsum(ranked.positives_B) - ranked.positives_B
        nth = np.arange(len(row)) - first[row]
        padded = np.zeros((ranked.rows, int(ranked.positives_B.max(initial=0))))
        for c, k in enumerate(cuts):
            # Past the cut the precisions are 0, so that the running maximum from the right starts at the cut.
            precisions = padded[row, nth] = np.where(rank <= _cut(ranked, k), (nth + 1) / rank, 0.0)
            envelope = np.maximum.accumulate(padded[:, ::-1], axis=1)[:, ::-1][row, nth]
            added_CB[c] += np.bincount(row, weights=envelope - precisions, minlength=ranked.rows) * (
                tied_B | (draw == 0)
            )
    count_B = np.where(tied_B, draws, 1)
    return [
        _divide(_expected_gain(ranked, cut) + added_B / count_B, np.minimum(ranked.positives_B, cut))
        for added_B, cut in zip(added_CB, [_cut(ranked, k) for k in cuts], strict=True)
    ]


def precision(ranked: RankedBlock, k: int, *, denominator: PrecisionDenominator = "k") -> Floats:
    """Precision among the first k, its exact expectation over ties.

    ``k`` divides by k, also where the gallery or the class is smaller (SAKE and most others); ``min`` by
    min(k, positives), so that a perfect ranking reaches 1 (ZSE-SBIR, MA-ZS-SBIR). Equal where every class has k items.
    """
    hits = _expected_hits(ranked, _cut(ranked, k))
    if denominator == "min":
        return _divide(hits, np.minimum(ranked.positives_B, k))
    return _nan_without_positives(ranked, hits / k)


def hit_rate(ranked: RankedBlock, k: int) -> Floats:
    """Probability over the tie orders that at least one of the first k items is relevant (hit@k, success@k)."""
    cut = _cut(ranked, k)
    miss = np.ones(ranked.rows)
    miss[ranked.row_T[ranked.before_T + ranked.size_T <= cut]] = 0.0
    split = _split_by(ranked, cut)
    chances = hypergeometric(ranked.size_T[split], ranked.hits_T[split], cut - ranked.before_T[split])
    miss[ranked.row_T[split]] *= chances[:, 0]
    return _nan_without_positives(ranked, 1.0 - miss)


def _cut(ranked: RankedBlock, k: int | None) -> int:
    if k is not None and k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    return ranked.gallery_size if k is None else min(k, ranked.gallery_size)


def _split_by(ranked: RankedBlock, cut: int) -> Ints:
    """Return the groups that the cut goes through (at most one a query)."""
    return np.flatnonzero((ranked.before_T < cut) & (ranked.before_T + ranked.size_T > cut))


def _expected_hits(ranked: RankedBlock, cut: int) -> Floats:
    """Expected relevant items among the first ``cut``: a split group gives its share."""
    slots_T = np.clip(cut - ranked.before_T, 0, ranked.size_T)
    return ranked.sum_by_query(ranked.hits_T * slots_T / ranked.size_T)


def _slot_gain(before: Ints, hits_before: Ints, *, slots: Ints, size: Ints, hits: Ints, gallery_size: int) -> Floats:
    """Expected sum of rel_i * precision_i over the first slots of a group of ``size`` items, ``hits`` of them relevant.

    The item in slot j is relevant with probability hits/size, and then (j - 1)(hits - 1)/(size - 1) of the slots above
    it are expected to be. Summed over j with the harmonic numbers H, since sum 1/(before + j) = H[before+slots] -
    H[before] and sum (j - 1)/(before + j) = slots - (before + 1)(H[before+slots] - H[before]).
    """
    table = harmonic(gallery_size)
    inverse_ranks = table[before + slots] - table[before]
    above = (hits - 1) / np.maximum(size - 1, 1)
    gain = (hits_before + 1) * inverse_ranks + above * (slots - (before + 1) * inverse_ranks)
    return np.asarray(hits / np.maximum(size, 1) * gain)


def _expected_gain(ranked: RankedBlock, cut: int) -> Floats:
    """Expected sum of rel_i * precision_i over the first ``cut`` ranks."""
    r = ranked
    slots_T = np.clip(cut - r.before_T, 0, r.size_T)
    return r.sum_by_query(
        _slot_gain(
            r.before_T, r.hits_before_T, slots=slots_T, size=r.size_T, hits=r.hits_T, gallery_size=r.gallery_size
        )
    )


def _gain_over_hits(ranked: RankedBlock, cut: int) -> Floats:
    """Expectation of (sum of rel_i * precision_i) / (hits), both over the first ``cut`` ranks; 0 where nothing is hit.

    Only a group that the cut goes through makes the number of hits random; given that h of its items fall above
    the cut, they lie there in any order, so its gain is that of a group of ``slots`` items with h relevant.
    """
    r = ranked
    whole_T = r.before_T + r.size_T <= cut
    gain_T = _slot_gain(
        r.before_T, r.hits_before_T, slots=r.size_T, size=r.size_T, hits=r.hits_T, gallery_size=r.gallery_size
    )
    gain_B, hits_B = r.sum_by_query(gain_T * whole_T), r.sum_by_query(r.hits_T * whole_T)
    result = np.divide(gain_B, hits_B, out=np.zeros(r.rows), where=hits_B > 0)

    split = _split_by(r, cut)
    row, before = r.row_T[split], r.before_T[split, None]
    slots = cut - before
    chances = hypergeometric(r.size_T[split], r.hits_T[split], slots[:, 0])
    drawn = np.arange(chances.shape[1])[None]
    gain = gain_B[row, None] + _slot_gain(
        before, r.hits_before_T[split, None], slots=slots, size=slots, hits=drawn, gallery_size=r.gallery_size
    )
    hits = hits_B[row, None] + drawn
    terms = chances * np.divide(gain, hits, out=np.zeros_like(gain), where=hits > 0)
    # A running sum, since that of numpy's ``sum`` depends on the number of columns and so on the other rows.
    result[row] = np.cumsum(terms, axis=1)[:, -1] if len(row) else 0.0
    return result


def _divide(value_B: Floats, by_B: Ints) -> Floats:
    return np.asarray(np.divide(value_B, by_B, out=np.full(len(value_B), np.nan), where=by_B > 0))


def _nan_without_positives(ranked: RankedBlock, value_B: Floats) -> Floats:
    return np.where(ranked.positives_B > 0, value_B, np.nan)
