"""Things that break under load: what fails meanwhile, for how long, and whether any answer is wrong."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from benchmarks.serving_load import Answer, Load, Plan, start_load
from benchmarks.serving_made import Truth, query_bodies
from benchmarks.serving_server import Server
from benchmarks.serving_shedding import turned_away
from sketchray.config import Config
from sketchray.gallery import EncoderRef

PART = {"encoder": "encoder", "shard": "shards-0", "ingress": "ingress"}


class ChaosPlan(Config):
    """What is broken, and how often.

    Attributes:
        rate: of the load, searches a second.
        kills: of each of encoder, shard and ingress.
        swaps: versions that are published.
        away_s: how long the store is away.
        pause_s: between two events, in which the endpoint recovers.
        patience_s: how long a replica may take to be there again, or a version to be served.
    """

    rate: float = Field(12.0, gt=0)
    kills: int = Field(3, ge=0)
    swaps: int = Field(10, ge=0)
    away_s: float = Field(30.0, ge=0)
    pause_s: float = Field(15.0, gt=0)
    patience_s: float = Field(120.0, gt=0)


class Event(NamedTuple):
    """One thing that was done: what, when, and when all was as before again."""

    what: str
    began: float
    ended: float


class Check(NamedTuple):
    """What became of an answer: the version that it names, and what is wrong with it, if anything."""

    version: str
    wrong: str | None


def check_answers(done: Load, truth: Truth) -> list[Check]:
    """Check every good answer of a load, whose bodies were kept, against brute force."""
    checks = []
    for answer in done.good:
        assert answer.body is not None
        said = json.loads(answer.body)
        checks.append(Check(said["gallery_version"], truth.wrong(answer.query, said)))
    return checks


def failures_of(done: Load, began: float, until: float) -> list[Answer]:
    """Return the requests that failed between two moments: those that were not answered with 200."""
    return [answer for answer in done.answers if answer.status != 200 and began <= answer.ended < until]


def chaos(server: Server, encoder: EncoderRef, drawings: Sequence[Any], truth: Truth, plan: ChaosPlan) -> str:
    """Return the tables of what was broken and what came of it."""
    load = Plan(url=f"{server.url}/v1/search", queries=query_bodies(drawings), rate=plan.rate, seconds=3600, keep=True)
    events: list[Event] = []
    with start_load(load) as running:
        time.sleep(plan.pause_s)
        for _ in range(plan.kills):
            for what, deployment in PART.items():
                events.append(_kill(server, what, deployment, plan))
                time.sleep(plan.pause_s)
        for _ in range(plan.swaps):
            events.append(_swap(server, encoder, plan))
            time.sleep(plan.pause_s / 3)
        if plan.away_s:
            began = time.monotonic()
            server.lose_store()
            time.sleep(plan.away_s)
            server.find_store()
            events.append(Event("store away", began, time.monotonic()))
            time.sleep(plan.pause_s)
            events.append(_swap(server, encoder, plan, what="swap after the store came back"))
        time.sleep(plan.pause_s)
        done = running.stop()
    for version, vectors in server.versions.items():
        truth.add(version, vectors)
    return report(done, events, check_answers(done, truth), plan)


def report(done: Load, events: Sequence[Event], checks: Sequence[Check], plan: ChaosPlan) -> str:
    """Return the tables of a load in which events happened."""
    wrong = [check.wrong for check in checks if check.wrong]
    named, failed = len({check.version for check in checks}), sum(done.failed.values())
    lines = [
        f"{len(done.answers):,} searches, {plan.rate:g} a second; {failed} failed: {turned_away(done)}. "
        f"{len(checks):,} answers, which name {named} versions, checked against brute force: {len(wrong)} wrong"
        f"{''.join(f' ({reason})' for reason in wrong[:3])}.\n",
        "| event | times | failed requests | all of them | seconds until the last | seconds until all is as before |",
        "|---|---|---|---|---|---|",
    ]
    windows = windows_of(events, until=max(answer.ended for answer in done.answers))
    for what in dict.fromkeys(event.what for event in events):
        mine = [(event, failures_of(done, *window)) for event, window in windows if event.what == what]
        counts = Counter(str(answer.status or "no answer") for _, failed in mine for answer in failed)
        last = max((answer.ended - event.began for event, failed in mine for answer in failed), default=0.0)
        back = max(event.ended - event.began for event, _ in mine)
        told = ", ".join(f"{count} x {status}" for status, count in counts.items()) or "none"
        each = ", ".join(str(len(failed)) for _, failed in mine)
        lines.append(f"| {what} | {len(mine)} | {each} | {told} | {last:.1f} | {back:.1f} |")
    return "\n".join(lines)


def windows_of(events: Sequence[Event], *, until: float) -> list[tuple[Event, tuple[float, float]]]:
    """Return each event with the time from its beginning to that of the next one, or to the end."""
    ends = [event.began for event in events[1:]] + [until]
    return [(event, (event.began, end)) for event, end in zip(events, ends, strict=True)]


def _kill(server: Server, what: str, deployment: str, plan: ChaosPlan) -> Event:
    count = len(server.replicas()[deployment])
    began = time.monotonic()
    victim = server.kill(deployment)

    def back() -> bool:
        now = [process.pid for process in server.replicas()[deployment]]
        return len(now) >= count and victim not in now and server.ready()

    _wait_for(back, what=f"another {what}", patience_s=plan.patience_s)
    return Event(f"kill -9 of the {what}", began, time.monotonic())


def _swap(server: Server, encoder: EncoderRef, plan: ChaosPlan, what: str = "hot swap") -> Event:
    version = server.publish(encoder)
    began = time.monotonic()
    _wait_for(lambda: server.current() == version, what=f"version {version}", patience_s=plan.patience_s)
    return Event(what, began, time.monotonic())


def _wait_for(test: Callable[[], bool], *, what: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not there after {patience_s:g} s")
        time.sleep(0.2)
