"""Replicas of ingress and encoder under a ramp of load and after it."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil
from pydantic import Field

from benchmarks.serving_load import Load, Plan, start_load
from benchmarks.serving_made import query_bodies
from benchmarks.serving_server import Server
from sketchray.config import Config

WATCHED = ("ingress", "encoder")


class AutoscalingPlan(Config):
    """The ramp, and how the deployments may scale.

    Attributes:
        clients: of each step of the ramp.
        seconds: of each step.
        patience_s: how long the replicas may take to go down again.
        autoscaling: Serve's ``autoscaling_config`` of ingress and encoder.
    """

    clients: tuple[int, ...] = (1, 8, 32)
    seconds: float = Field(30.0, gt=0)
    patience_s: float = Field(90.0, gt=0)
    autoscaling: dict[str, dict[str, Any]] = Field(
        default_factory=lambda: {
            name: {
                "min_replicas": 1,
                "max_replicas": 3,
                "target_ongoing_requests": 8,
                "upscale_delay_s": 3,
                "downscale_delay_s": 10,
                "metrics_interval_s": 1,
                "look_back_period_s": 5,
            }
            for name in WATCHED
        }
    )


class Seen(NamedTuple):
    """The number of replicas by deployment, at a moment."""

    at: float
    replicas: dict[str, int]


class Watch:
    """What was seen of the replicas."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def most(self, name: str, since: float = 0.0) -> int:
        """Return the largest number of a deployment's replicas from a moment on."""
        return max((seen.replicas.get(name, 0) for seen in self.seen if seen.at >= since), default=0)

    def above(self, name: str, count: int, since: float) -> float | None:
        """Return the seconds from a moment until a deployment had more replicas than that; None if never."""
        return next((s.at - since for s in self.seen if s.at >= since and s.replicas.get(name, 0) > count), None)

    def down(self, name: str, count: int, since: float) -> float | None:
        """Return the seconds from a moment until a deployment had no more replicas than that; None if never."""
        return next((s.at - since for s in self.seen if s.at >= since and s.replicas.get(name, 0) <= count), None)


@contextmanager
def watch(look: Callable[[], Mapping[str, Sequence[psutil.Process]]], every_s: float = 0.5) -> Iterator[Watch]:
    """Count replicas again and again while the block runs."""
    watched, over = Watch(), threading.Event()

    def go_on() -> None:
        while not over.wait(every_s):
            counted = {name: len(members) for name, members in look().items()}
            watched.seen.append(Seen(time.monotonic(), counted))

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()


def autoscaling(server: Server, drawings: Sequence[Any], plan: AutoscalingPlan) -> str:
    """Return the table of a ramp: replicas at the end of each step, and when they were down again."""
    server.deploy({name: {"autoscaling_config": config} for name, config in plan.autoscaling.items()})
    queries, url = query_bodies(drawings), f"{server.url}/v1/search"
    lines = ["| | clients | ingress | encoder | answered a second | p50 ms | failed |", "|---|---|---|---|---|---|---|"]

    def row(what: str, clients: int, rest: str) -> None:
        now = watched.seen[-1].replicas
        counts = " | ".join(str(now.get(name, 0)) for name in WATCHED)
        lines.append(f"| {what} | {clients} | {counts} | {rest} |")

    with watch(server.replicas) as watched:
        time.sleep(1)
        row("before", 0, "| |")
        began = time.monotonic()
        for clients in plan.clients:
            with start_load(Plan(url=url, queries=queries, clients=clients, seconds=plan.seconds)) as running:
                done = running.wait()
            row(f"{time.monotonic() - began:.0f} s", clients, _figures(done))
        over = time.monotonic()
        down = {name: config["min_replicas"] for name, config in plan.autoscaling.items()}
        while time.monotonic() - over < plan.patience_s:
            time.sleep(1)
            if all(watched.seen[-1].replicas.get(name, 0) <= count for name, count in down.items()):
                break
        row(f"{time.monotonic() - over:.0f} s after", 0, "| |")
        for name, least in down.items():
            up, back = watched.above(name, least, began), watched.down(name, least, over)
            lines.append(
                f"\n{name}: {least} to {watched.most(name, began)} replicas, the first more "
                f"{'never' if up is None else f'{up:.0f} s after the ramp began'}; back at {least} "
                f"{'never' if back is None else f'{back:.0f} s after it ended'}."
            )
    return "\n".join(lines)


def _figures(done: Load) -> str:
    return f"{done.throughput():.1f} | {done.milliseconds(50):.0f} | {sum(done.failed.values())}"
