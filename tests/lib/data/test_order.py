"""Sample order is a pure function of (seed, step): any split over ranks, any restart, any history of calls."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchray.data.order import order, sample_rng, step_indices

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**40)


@given(n=sizes, seed=seeds, epoch=st.integers(0, 1000))
def test_an_order_is_a_permutation_and_the_same_each_time(n: int, seed: int, epoch: int) -> None:
    first = order(n, seed, epoch)
    assert first.dtype == np.int64
    assert sorted(first.tolist()) == list(range(n))
    first[:] = 0  # the caller's copy: spoiling it must not reach later calls
    assert sorted(order(n, seed, epoch).tolist()) == list(range(n))


@given(n=sizes, seed=seeds, batch_size=st.integers(1, 90), steps=st.integers(1, 12))
def test_steps_are_slices_of_the_passes_laid_end_to_end(n: int, seed: int, batch_size: int, steps: int) -> None:
    passes = -(-steps * batch_size // n)
    endless = np.concatenate([order(n, seed, epoch, stream="photo") for epoch in range(passes)])
    for step in reversed(range(steps)):  # a step needs none before it
        rows = step_indices(n, seed=seed, step=step, batch_size=batch_size, stream="photo")
        assert rows.dtype == np.int64
        np.testing.assert_array_equal(rows, endless[step * batch_size : (step + 1) * batch_size])


@given(n=sizes, seed=seeds, passes=st.integers(1, 4))
def test_every_row_comes_once_in_each_pass(n: int, seed: int, passes: int) -> None:
    rows = [step_indices(n, seed=seed, step=step, batch_size=1, stream="s")[0] for step in range(n * passes)]
    assert set(Counter(rows).values()) == {passes}


def test_seed_epoch_and_stream_each_change_the_order() -> None:
    base = order(50, 1, 0, stream="photo").tolist()
    assert order(50, 2, 0, stream="photo").tolist() != base
    assert order(50, 1, 1, stream="photo").tolist() != base
    assert order(50, 1, 0, stream="sketch").tolist() != base


def test_orders_are_uniform() -> None:
    firsts = Counter(int(order(4, seed, 0)[0]) for seed in range(4000))
    assert all(900 < count < 1100 for count in firsts.values())


@given(seed=seeds, step=st.integers(0, 10**9), sample_id=st.text(max_size=16))
def test_a_samples_randomness_is_a_function_of_seed_step_and_id(seed: int, step: int, sample_id: str) -> None:
    draws = sample_rng(seed, step, sample_id).random(4).tolist()
    assert sample_rng(seed, step, sample_id).random(4).tolist() == draws
    assert sample_rng(seed + 1, step, sample_id).random(4).tolist() != draws
    assert sample_rng(seed, step + 1, sample_id).random(4).tolist() != draws
    assert sample_rng(seed, step, sample_id + "x").random(4).tolist() != draws


def test_the_order_does_not_change_between_releases() -> None:
    assert order(8, 3, 1, stream="sketch").tolist() == [7, 3, 1, 5, 6, 2, 0, 4]


@pytest.mark.parametrize(("n", "step", "batch_size"), [(0, 0, 4), (3, -1, 4), (3, 0, 0)])
def test_what_does_not_exist_is_refused(n: int, step: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="stream 'photo'"):
        step_indices(n, seed=0, step=step, batch_size=batch_size, stream="photo")


def test_an_order_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        order(0, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        order(3, 0, -1)
