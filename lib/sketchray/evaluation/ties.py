"""Random and exact arithmetic inside tie groups.

Shape legend: B queries, G gallery items, T tie groups, P relevant items over all rows, K slots of a cut.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sketchray.evaluation.ranked import Floats, Ints, RankedBlock


@lru_cache(maxsize=4)
def harmonic(n: int) -> Floats:
    """Return the harmonic numbers H_0 .. H_n."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])


@lru_cache(maxsize=4)
def log_factorial(n: int) -> Floats:
    """Return log 0! .. log n!."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])


def hypergeometric(size_T: Ints, hits_T: Ints, slots_T: Ints) -> Floats:
    """Probability that h of a tie group's relevant items fall into its first slots, all orders being equal.

    Args:
        size_T: items in the group; hits_T: relevant ones among them; slots_T: slots that are counted, at most size_T.

    Returns:
        Shape (T, max slots + 1): column h holds C(hits, h) C(size - hits, slots - h) / C(size, slots).
    """
    drawn_K = np.arange(int(slots_T.max(initial=0)) + 1)
    size, hits, slots = size_T[:, None], hits_T[:, None], slots_T[:, None]
    possible = (drawn_K <= hits) & (drawn_K <= slots) & (slots - drawn_K <= size - hits)
    drawn = np.where(possible, drawn_K, 0)
    left = np.where(possible, slots - drawn_K, 0)
    table = log_factorial(int(size_T.max(initial=0)))

    def log_choose(n: Ints, k: Ints) -> Floats:
        return np.asarray(table[n] - table[k] - table[n - k])

    log_p = log_choose(hits, drawn) - log_choose(size, slots)
    log_p = log_p + log_choose(np.where(possible, size - hits, 0), left)
    return np.where(possible, np.exp(log_p), 0.0)


def draw_ranks(ranked: RankedBlock, *, draw: int, seed: int) -> tuple[Ints, Ints]:
    """Put the items of every tie group in a random order and return where the relevant ones come to stand.

    The order is a function of (seed, draw, number of the query, rank), whatever the blocks and the list's order.

    Returns:
        row_P and rank_P (from 1), sorted by both.
    """
    items = ranked.gallery_size
    is_relevant = np.zeros(ranked.rows * items, bool)
    start_T = ranked.row_T * items + ranked.before_T
    mixed_T = ranked.mixed_T
    _, place = _members(start_T[~mixed_T], ranked.size_T[~mixed_T])
    is_relevant[place] = True
    if mixed_T.any():
        group, place = _members(start_T[mixed_T], ranked.size_T[mixed_T])
        offset = place - start_T[mixed_T][group]
        relevant = offset < ranked.hits_T[mixed_T][group]
        row, column = place // items, place % items
        number = ((row + ranked.first_query).astype(np.uint64) << np.uint64(32)) | column.astype(np.uint64)
        key = (group.astype(np.uint64) << np.uint64(33)) | (_random32(number, draw, seed) << np.uint64(1)) | relevant
        key.sort()
        is_relevant[place] = (key & np.uint64(1)).astype(bool)
    position = np.flatnonzero(is_relevant)
    return position // items, position % items + 1


def _members(start_T: Ints, size_T: Ints) -> tuple[Ints, Ints]:
    """List the flat positions of all items of the groups, with the number of the group of each."""
    group = np.repeat(np.arange(len(size_T)), size_T)
    first = np.cumsum(size_T) - size_T
    return group, np.arange(len(group)) - first[group] + start_T[group]


def _random32(number: npt.NDArray[np.uint64], draw: int, seed: int) -> npt.NDArray[np.uint64]:
    """Hash counters to 32 random bits (the splitmix64 finaliser, applied twice)."""
    with np.errstate(over="ignore"):
        x = number
        for salt in (seed, draw):
            x = x + np.uint64((2 * salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
        return x >> np.uint64(32)
