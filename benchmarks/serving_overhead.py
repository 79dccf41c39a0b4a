"""One query's latency and many queries' throughput, against the bare encoder in turns of the same run."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from benchmarks.serving_bare import Bare, Speed, bare_throughput
from benchmarks.serving_load import Plan, start_load
from benchmarks.serving_made import query_bodies
from benchmarks.serving_server import Server
from sketchray.config import Config


class LatencyPlan(Config):
    """How the latency of one query is measured.

    Attributes:
        rounds: turns of endpoint and bare.
        seconds: of one client's queries, one after the other, in a round.
        threads: of the bare encoder and faiss; as many as the endpoint's encoder has.
    """

    rounds: int = Field(5, ge=1)
    seconds: float = Field(10.0, gt=0)
    threads: int = Field(2, ge=1)


class ThroughputPlan(Config):
    """How the saturated throughput is measured.

    Attributes:
        rounds: turns of endpoint and bare.
        seconds: of a turn.
        settle_s: at the beginning of the endpoint's turn that do not count.
        clients: of the closed load.
        batch: of the bare encoder.
        threads: of the bare encoder.
    """

    rounds: int = Field(3, ge=1)
    seconds: float = Field(20.0, gt=0)
    settle_s: float = Field(3.0, ge=0)
    clients: int = Field(48, ge=1)
    batch: int = Field(16, ge=1)
    threads: int = Field(2, ge=1)


def latency(server: Server, bare: Bare, drawings: Sequence[Any], plan: LatencyPlan) -> str:
    """Return the table of one query's latency beside the bare encoder and faiss."""
    served: list[float] = []
    alone: list[float] = []
    queries = query_bodies(drawings)
    stages: dict[str, list[float]] = {}
    for turn in range(plan.rounds + 1):  # the first warms up
        load = Plan(url=f"{server.url}/v1/search", queries=queries, clients=1, seconds=plan.seconds, keep=True)
        with start_load(load) as running:
            done = running.wait()
        own = [bare.ask(number) for number in range(len(done.good))]
        if turn:
            served += [answer.seconds for answer in done.good]
            alone += own
            for name, values in done.stages().items():
                stages.setdefault(name, []).extend(values)
    over = statistics.median(served) - statistics.median(alone)
    rows = [
        ("one query over HTTP", served),
        ("bare encoder and faiss", alone),
        *((f"- `timings_ms.{name}`", [value / 1000 for value in values]) for name, values in stages.items()),
    ]
    lines = [f"| {len(served)} queries, one after the other | median ms | p90 ms |", "|---|---|---|"]
    lines += [f"| {name} | {1000 * statistics.median(v):.1f} | {1000 * _p90(v):.1f} |" for name, v in rows]
    return "\n".join([*lines, f"| **median minus median** | **{1000 * over:.1f}** | |"])


def throughput(server: Server, drawings: Sequence[Any], plan: ThroughputPlan) -> str:
    """Return the table of saturated throughput beside the bare batched encoder, and of where the CPU time went."""
    load = Plan(
        url=f"{server.url}/v1/search", queries=query_bodies(drawings), clients=plan.clients, seconds=plan.seconds
    )
    served: list[float] = []
    bare: dict[bool, list[Speed]] = {False: [], True: []}
    cpu: Counter[str] = Counter()
    counted, wall = 0, 0.0
    for _ in range(plan.rounds):
        for kept, speeds in bare.items():
            speeds.append(
                bare_throughput(
                    server.setting.encoder,
                    batch=plan.batch,
                    threads=plan.threads,
                    seconds=plan.seconds,
                    keep_memory=kept,
                )
            )
        before = server.cpu_seconds()
        with start_load(load) as running:
            done = running.wait()
        cpu.update(difference(server.cpu_seconds(), before) | {"load generator": done.cpu_s})
        served.append(done.throughput(settle_s=plan.settle_s))
        counted, wall = counted + len(done.good), wall + done.wall_s
    median = statistics.median(served)
    lines = ["| | queries a second, each turn | median | CPU ms a query | endpoint over it |", "|---|---|---|---|---|"]
    own = 1000 * cpu.total() / counted
    lines.append(f"| endpoint, saturated | {_each(served)} | {median:.1f} | {own:.1f} | |")
    for kept, speeds in bare.items():
        rates, cpu_ms = [speed.rate for speed in speeds], statistics.median(speed.cpu_ms for speed in speeds)
        name = f"bare encoder, batches of {plan.batch}{', memory kept' if kept else ''}"
        bare_median = statistics.median(rates)
        ratio = median / bare_median
        lines.append(f"| {name} | {_each(rates)} | {bare_median:.1f} | {cpu_ms:.1f} | **{ratio:.2f}** |")
    lines += ["", f"| CPU time, {counted} queries in {wall:.0f} s | ms a query | cores |", "|---|---|---|"]
    lines += [f"| {name} | {1000 * s / counted:.1f} | {s / wall:.2f} |" for name, s in cpu.most_common()]
    return "\n".join(lines)


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return what was added to each."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _p90(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10)[-1]
