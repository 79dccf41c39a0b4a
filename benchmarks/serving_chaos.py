"""Things that break under load: what fails meanwhile, for how long, and whether any answer is wrong."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from benchmarks.serving_load import Answer, Load, Plan, start_load
from benchmarks.serving_made import Truth, Vectors, query_bodies
from benchmarks.serving_target import Target, current_version, is_ready, kill_one, wait_for
from sketchray.config import Config

PARTS = {"encoder": "encoder", "shard": "shards-0", "ingress": "ingress"}  # and the deployment of each


class ChaosPlan(Config):
    """What is broken, and how often.

    Attributes:
        rate: of the load, searches a second.
        kills: of each of encoder, shard and ingress.
        together: whether one of each is killed at the same time, and not one after the other.
        swaps: versions that are published.
        away_s: how long the store is away.
        pause_s: between two events, in which the endpoint recovers.
        patience_s: how long a replica may take to be there again, or a version to be served.
    """

    rate: float = Field(12.0, gt=0)
    kills: int = Field(3, ge=0)
    together: bool = False
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


class Outcome(NamedTuple):
    """What a load met, what was broken meanwhile, and what became of every answer."""

    done: Load
    events: list[Event]
    checks: list[Check]


def chaos(
    target: Target, versions: Mapping[str, Vectors], drawings: Sequence[Any], truth: Truth, plan: ChaosPlan
) -> Outcome:
    """Break things under load.

    Args:
        target: the endpoint; it serves a made gallery.
        versions: the vectors of every version, to which `Target.publish` adds.
        drawings: the queries.
        truth: brute force over the same queries; it is told of all versions here.
        plan: what is broken.
    """
    url, queries = f"{target.url}/v1/search", query_bodies(drawings, gallery=target.gallery)
    events: list[Event] = []
    with start_load(Plan(url=url, queries=queries, rate=plan.rate, seconds=3600, keep=True)) as running:
        time.sleep(plan.pause_s)
        for _ in range(plan.kills):
            for parts in [tuple(PARTS)] if plan.together else [(part,) for part in PARTS]:
                events.append(_kill(target, parts, plan))
                time.sleep(plan.pause_s)
        for _ in range(plan.swaps):
            events.append(_swap(target, "hot swap", plan))
            time.sleep(plan.pause_s / 3)
        if plan.away_s:
            began = time.monotonic()
            target.lose_store()
            time.sleep(plan.away_s)
            target.find_store()
            events.append(Event("store away", began, time.monotonic()))
            events.append(_swap(target, "hot swap after that", plan))
        time.sleep(plan.pause_s)
        done = running.stop()
    for version, vectors in versions.items():
        truth.add(version, vectors)
    return Outcome(done, events, check_answers(done, truth))


def chaos_table(outcome: Outcome, plan: ChaosPlan) -> str:
    """Return the table of what was broken and what came of it."""
    done, events, checks = outcome
    wrong = [check.wrong for check in checks if check.wrong]
    named, failed = len({check.version for check in checks}), sum(done.failed.values())
    lines = [
        f"{len(done.answers):,} searches, {plan.rate:g} a second; {failed} failed: {done.failures()}. "
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


def _kill(target: Target, parts: Sequence[str], plan: ChaosPlan) -> Event:
    began = time.monotonic()
    victims = {part: kill_one(target, PARTS[part]) for part in parts}

    def back() -> bool:
        replicas = target.replicas()
        now = {part: [process.pid for process in replicas[PARTS[part]]] for part in parts}
        enough = all(len(now[part]) >= target.least(PARTS[part]) for part in parts)
        return enough and not any(victims[part] in now[part] for part in parts) and is_ready(target)

    what = " and ".join(parts)
    wait_for(back, what=f"another {what}", patience_s=plan.patience_s)
    return Event(f"kill -9 of {what}", began, time.monotonic())


def _swap(target: Target, what: str, plan: ChaosPlan) -> Event:
    version = target.publish()
    began = time.monotonic()
    wait_for(lambda: current_version(target) == version, what=version, patience_s=plan.patience_s)
    return Event(what, began, time.monotonic())
