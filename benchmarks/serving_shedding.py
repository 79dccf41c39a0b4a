"""Past saturation: how many requests are turned away, and how long those wait that are not."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from benchmarks.serving_load import Load, Plan, start_load
from benchmarks.serving_made import query_bodies
from benchmarks.serving_server import Server
from sketchray.config import Config

CALM = 0.8


class SheddingPlan(Config):
    """How shedding is measured.

    Attributes:
        clients: of the closed load that finds out what saturation is.
        seconds: of every load.
        settle_s: at the beginning of the closed load that do not count.
        factors: loads past saturation, as parts of it.
        threshold: what the p99 of the accepted may be, times that at 80 % load.
    """

    clients: int = Field(48, ge=1)
    seconds: float = Field(60.0, gt=0)
    settle_s: float = Field(5.0, ge=0)
    factors: tuple[float, ...] = (1.2, 1.5, 2.0, 4.0)
    threshold: float = 3.0


def shedding(server: Server, drawings: Sequence[Any], plan: SheddingPlan) -> str:
    """Return the table of open loads below and past saturation."""
    queries, url = query_bodies(drawings), f"{server.url}/v1/search"
    with start_load(Plan(url=url, queries=queries, clients=plan.clients, seconds=plan.seconds)) as running:
        saturated = running.wait().throughput(settle_s=plan.settle_s)
    lines = [
        f"Saturated by {plan.clients} clients: {saturated:.1f} queries a second.\n",
        "| load | asked / s | answered / s | turned away | with Retry-After | p50 ms | p99 ms | of calm p99 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    calm = None
    for factor in (CALM, *plan.factors):
        load = Plan(url=url, queries=queries, rate=factor * saturated, seconds=plan.seconds)
        with start_load(load) as running:
            done = running.wait()
        p99 = done.milliseconds(99)
        calm = calm or p99
        rates = f"{len(done.answers) / plan.seconds:.1f} | {len(done.good) / done.wall_s:.1f}"
        times = f"{done.milliseconds(50):.0f} | {p99:.0f} | {p99 / calm:.2f}"
        lines.append(f"| {factor:.0%} | {rates} | {done.failures()} | {told_when(done)} | {times} |")
    return "\n".join([*lines, f"\nCalm is {CALM:.0%}; the last column may be up to {plan.threshold:g}."])


def told_when(done: Load) -> str:
    """Return how many of the 429 and 503 said when to come back."""
    shed = [answer for answer in done.answers if answer.status in (429, 503)]
    return f"{sum(answer.retry_after is not None for answer in shed)} of {len(shed)}"
