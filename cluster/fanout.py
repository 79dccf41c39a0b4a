"""What asking many shards at once does to the slowest answers, simulated: ``python -m cluster.fanout [key=value ...]``.

A query is answered when the last shard has answered, so the more are asked, the more often one of them is slow. Against
that helps to ask fewer (route), or to ask a second replica where the first takes long (hedge): Dean and Barroso, "The
Tail at Scale", CACM 56(2), 2013.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sketchray.config import Config, ConfigError, load_config

P90 = 1.2815515655446004  # standard deviations
Times = npt.NDArray[np.float64]


class FanoutPlan(Config):
    """What is simulated. Every call is alike and independent of the others: no queues, so it is the best case.

    Attributes:
        shards: numbers of shards asked at once.
        queries: simulated queries of each number.
        median_ms, p90_ms: of one call that goes well, lognormal between them: `timings_ms.search` as
            benchmarks/serving.md has it, from the ingress and back.
        stall: fraction of calls that meet something else: a batch under way, a replica that loads a version, a packet
            that is lost. An assumption; there is no measurement of ours.
        stall_ms: mean of what such a call waits more, exponential.
        hedge_at: a second replica is asked after this quantile of a call's time.
        limit_ms: what a search should stay below.
        seed: of the random numbers.
    """

    shards: tuple[int, ...] = (1, 10, 100, 1000)
    queries: int = Field(20_000, ge=100)
    median_ms: float = Field(7.9, gt=0)
    p90_ms: float = Field(9.4, gt=0)
    stall: float = Field(0.005, ge=0, lt=1)
    stall_ms: float = Field(100.0, ge=0)
    hedge_at: float = Field(0.95, gt=0, lt=1)
    limit_ms: float = Field(100.0, gt=0)
    seed: int = 0


def calls(plan: FanoutPlan, count: int, random: np.random.Generator) -> Times:
    """Draw the times of some calls, ms."""
    spread = math.log(plan.p90_ms / plan.median_ms) / P90
    smooth = plan.median_ms * np.exp(spread * random.standard_normal(count))
    stalled = random.random(count) < plan.stall
    times: Times = smooth + np.where(stalled, random.exponential(plan.stall_ms, count), 0.0)
    return times


def slowest(plan: FanoutPlan, shards: int, *, hedged: bool) -> tuple[Times, float]:
    """Simulate queries that ask so many shards at once.

    Returns:
        The time of each query, ms; and the calls that hedging added, as a part of all.
    """
    random = np.random.default_rng([plan.seed, shards, hedged])
    wait_ms = float(np.quantile(calls(plan, 100_000, random), plan.hedge_at)) if hedged else math.inf
    times, more = np.zeros(plan.queries), 0
    for _ in range(shards):
        call = calls(plan, plan.queries, random)
        if hedged:
            more += int((call > wait_ms).sum())
            call = np.minimum(call, wait_ms + calls(plan, plan.queries, random))
        np.maximum(times, call, out=times)
    return times, more / (shards * plan.queries)


def table(plan: FanoutPlan) -> str:
    """Return the simulation as a table in Markdown."""
    over = f"over {plan.limit_ms:g} ms"
    lines = [
        f"| shards asked | p50 ms | p99 ms | {over} | hedged: p50 ms | p99 ms | {over} | more calls |",
        "|---" * 8 + "|",
    ]
    for shards in plan.shards:
        plain, _ = slowest(plan, shards, hedged=False)
        hedged, more = slowest(plan, shards, hedged=True)
        told = [_told(times, plan.limit_ms) for times in (plain, hedged)]
        lines.append(f"| {shards:,} | {told[0]} | {told[1]} | {more:.1%} |")
    return "\n".join(lines)


def _told(times: Times, limit_ms: float) -> str:
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return f"{p50:.0f} | {p99:.0f} | {(times > limit_ms).mean():.1%}"


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 0, or 2 after one line about what was asked wrongly."""
    try:
        plan = load_config(FanoutPlan, verb="fanout", recipe=None, overrides=list(arguments))
    except ConfigError as error:
        print(f"fanout: {error}", file=sys.stderr)
        return 2
    print(table(plan))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
