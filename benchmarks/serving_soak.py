"""A long, even load: does memory grow?"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from benchmarks.serving_load import Plan, start_load
from benchmarks.serving_made import query_bodies
from benchmarks.serving_server import Server
from sketchray.config import Config


class SoakPlan(Config):
    """The soak.

    Attributes:
        minutes: how long.
        warm_minutes: at the beginning that do not count for the slope.
        rate: searches a second.
        every_s: between two looks at the memory.
    """

    minutes: float = Field(15.0, gt=0)
    warm_minutes: float = Field(2.0, ge=0)
    rate: float = Field(15.0, gt=0)
    every_s: float = Field(5.0, gt=0)


def soak(server: Server, drawings: Sequence[Any], plan: SoakPlan) -> str:
    """Return the table of resident memory and its slope, by kind of process."""
    url, queries = f"{server.url}/v1/search", query_bodies(drawings)
    seen: list[tuple[float, dict[str, float]]] = []
    with start_load(Plan(url=url, queries=queries, rate=plan.rate, seconds=60 * plan.minutes)) as running:
        began = time.monotonic()
        while (minutes := (time.monotonic() - began) / 60) < plan.minutes:
            seen.append((minutes, server.rss()))
            time.sleep(plan.every_s)
        done = running.wait()
    counted = [(minutes, rss) for minutes, rss in seen if minutes >= plan.warm_minutes]
    lines = [
        f"{len(done.answers):,} searches in {plan.minutes:g} minutes, {plan.rate:g} a second; not answered with 200: "
        f"{done.failures()}; p50 {done.milliseconds(50):.0f} ms, p99 {done.milliseconds(99):.0f} ms.\n",
        f"| resident memory, MiB | first | after {plan.warm_minutes:g} min | last | most | slope, MiB a minute |",
        "|---|---|---|---|---|---|",
    ]
    minutes_N = np.array([minutes for minutes, _ in counted])
    for name in sorted(counted[0][1]):
        rss_N = np.array([rss.get(name, 0.0) for _, rss in counted])
        slope = float(np.polyfit(minutes_N, rss_N, 1)[0])
        first = seen[0][1].get(name, 0.0)
        lines.append(f"| {name} | {first:.0f} | {rss_N[0]:.0f} | {rss_N[-1]:.0f} | {rss_N.max():.0f} | {slope:+.2f} |")
    return "\n".join(lines)
