"""Load on an endpoint from a process of its own, whose CPU time is told with the answers.

Closed: so many clients, each of which asks again when it is answered, or after the time that it is told. Open: so many
requests a second at random moments, whatever becomes of them. Moments are of ``time.monotonic()``, which all processes
of a machine share.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from sketchray.config import Config

ROOT = Path(__file__).parents[1]
NO_ANSWER = 0  # in place of a status: refused, reset, or later than the time limit


class Plan(Config):
    """What to send.

    Attributes:
        url: of ``POST /v1/search``.
        queries: JSON bodies, sent in turn.
        headers: of every request, as an API key.
        clients: of a closed load; None for an open one.
        rate: of an open load, requests a second.
        seconds: how long new requests are sent; those under way are waited for.
        timeout_s: of one request.
        keep: whether the answers' bodies are kept.
        seed: of the moments of an open load.
    """

    url: str
    queries: tuple[str, ...] = Field(min_length=1)
    headers: dict[str, str] = Field(default_factory=dict)
    clients: int | None = Field(None, ge=1)
    rate: float | None = Field(None, gt=0)
    seconds: float = Field(gt=0)
    timeout_s: float = Field(60.0, gt=0)
    keep: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.clients is None) == (self.rate is None):
            raise ValueError("a load has either clients or a rate")
        return self


class Answer(NamedTuple):
    """One request: when it was sent, seconds that it took, status, number of its query, Retry-After, body if kept."""

    began: float
    seconds: float
    status: int
    query: int
    retry_after: float | None
    body: str | None

    @property
    def ended(self) -> float:
        """When it was answered."""
        return self.began + self.seconds


class Load:
    """What became of a load.

    Args:
        answers: in the order in which they came.
        cpu_s: CPU time of the generator.
        wall_s: from the first request to the last answer.
    """

    def __init__(self, answers: list[Answer], cpu_s: float, wall_s: float) -> None:
        self.answers, self.cpu_s, self.wall_s = answers, cpu_s, wall_s

    @cached_property
    def good(self) -> list[Answer]:
        """The requests that were answered with 200."""
        return [answer for answer in self.answers if answer.status == 200]

    @property
    def failed(self) -> dict[str, int]:
        """How many were not, by status."""
        counts = Counter(answer.status for answer in self.answers if answer.status != 200)
        return {str(status or "no answer"): count for status, count in sorted(counts.items())}

    def failures(self) -> str:
        """Return what failed in words: ``3 x 503``, or ``none``."""
        return ", ".join(f"{count} x {status}" for status, count in self.failed.items()) or "none"

    def milliseconds(self, percent: float) -> float:
        """Return a percentile of the time of the good answers."""
        return 1000 * float(np.percentile([answer.seconds for answer in self.good], percent))

    def stages(self) -> dict[str, list[float]]:
        """Return the kept good answers' own ``timings_ms``, by stage."""
        timings = [json.loads(answer.body)["timings_ms"] for answer in self.good if answer.body is not None]
        return {name: [timing[name] for timing in timings] for name in (timings[0] if timings else ())}

    def throughput(self, *, settle_s: float = 0.0) -> float:
        """Return good answers a second, from ``settle_s`` after the beginning to the last request that was sent."""
        began = min(answer.began for answer in self.answers) + settle_s
        until = max(answer.began for answer in self.answers)
        return sum(began <= answer.ended < until for answer in self.good) / (until - began)


class Running:
    """A load that is going on."""

    def __init__(self, process: "subprocess.Popen[str]", out: Path) -> None:
        self._process, self._out = process, out

    def stop(self) -> Load:
        """Send nothing new; return what became of the load when the last request is answered."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.wait()

    def wait(self) -> Load:
        """Return what became of the load when its time is over."""
        if self._process.wait(3600):
            raise RuntimeError("the load generator failed; its message is above")
        with self._out.open() as lines:
            costs = json.loads(next(lines))
            return Load([Answer(*json.loads(line)) for line in lines], **costs)


@contextmanager
def start_load(plan: Plan) -> Iterator[Running]:
    """Send a load from a second process; it ends with the block at the latest."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "answers"
        command = [sys.executable, "-m", "benchmarks.serving_generator", str(out)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdin is not None
        try:
            print(plan.model_dump_json(), file=process.stdin, flush=True)
            yield Running(process, out)
        finally:
            process.kill()
            process.wait()
