"""The simulation against what is known exactly: the slowest of N calls has the N-th power of one's distribution."""

import numpy as np
import pytest

from cluster.fanout import FanoutPlan, calls, main, slowest

PLAN = FanoutPlan(queries=4000)


@pytest.mark.parametrize("shards", [1, 10, 200])
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_the_slowest_of_many_is_where_the_exact_formula_puts_it(shards: int, quantile: float) -> None:
    single = calls(PLAN, 2_000_000, np.random.default_rng(1))
    times, _ = slowest(PLAN, shards, hedged=False)
    exact = np.quantile(single, quantile ** (1 / shards))
    reached = float((times <= exact).mean())
    assert reached == pytest.approx(quantile, abs=0.03)


def test_a_call_has_the_median_and_the_ninetieth_percentile_that_it_is_told() -> None:
    plan = FanoutPlan(stall=0.0)
    single = calls(plan, 400_000, np.random.default_rng(1))
    assert np.quantile(single, [0.5, 0.9]) == pytest.approx([plan.median_ms, plan.p90_ms], rel=0.01)


def test_asking_more_is_slower_and_hedging_helps_for_few_calls_more() -> None:
    of_ten, of_hundred = (np.quantile(slowest(PLAN, n, hedged=False)[0], 0.99) for n in (10, 100))
    hedged, more = slowest(PLAN, 100, hedged=True)
    assert of_ten < of_hundred
    assert np.quantile(hedged, 0.99) < of_hundred / 3
    assert more == pytest.approx(1 - PLAN.hedge_at, abs=0.005)


def test_the_same_seed_gives_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in (0, 0, 1):
        assert main(["queries=500", "shards=[1, 20]", f"seed={seed}"]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert len(printed[0].splitlines()) == 4


def test_an_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query=5"]) == 2
    assert capsys.readouterr().err.startswith("fanout: ")
