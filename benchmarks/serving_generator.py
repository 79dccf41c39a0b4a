"""The process that sends a load, see `benchmarks.serving_load`: ``python -m benchmarks.serving_generator OUT``."""

import asyncio
import json
import random
import resource
import sys
import threading
import time
from pathlib import Path

import aiohttp

from benchmarks.serving_load import NO_ANSWER, Answer, Plan

PAUSE_S = 0.05  # of a client whose request failed without being told when to come back


class Generator:
    """Sends a plan and keeps what became of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.answers: list[Answer] = []
        self.stopped = asyncio.Event()
        self._next = 0

    async def run(self) -> None:
        """Send requests until the time is over or standard input closes, and wait for their answers."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop,), daemon=True).start()
        loop.call_later(self.plan.seconds, self.stopped.set)
        timeout = aiohttp.ClientTimeout(self.plan.timeout_s)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout, headers=self.plan.headers
        ) as session:
            if self.plan.clients is not None:
                await asyncio.gather(*(self._client(session) for _ in range(self.plan.clients)))
            else:
                await self._open(session)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(self.stopped.set)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self.stopped.is_set():
            answer = await self._ask(session)
            if answer.status != 200:  # who is turned away comes back when it is told to
                await asyncio.sleep(PAUSE_S if answer.retry_after is None else answer.retry_after)

    async def _open(self, session: aiohttp.ClientSession) -> None:
        assert self.plan.rate is not None
        gaps, due = random.Random(self.plan.seed), time.monotonic()
        async with asyncio.TaskGroup() as under_way:
            while not self.stopped.is_set():
                under_way.create_task(self._ask(session))
                due += gaps.expovariate(self.plan.rate)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _ask(self, session: aiohttp.ClientSession) -> Answer:
        query = self._next % len(self.plan.queries)
        self._next += 1
        began, status = time.monotonic(), NO_ANSWER
        body: str | None = None
        later: float | None = None
        headers = {"Content-Type": "application/json"}
        try:
            async with session.post(self.plan.url, data=self.plan.queries[query], headers=headers) as response:
                data = await response.read()
                status = response.status
                later = float(response.headers["Retry-After"]) if "Retry-After" in response.headers else None
                body = data.decode() if self.plan.keep else None
        except (aiohttp.ClientError, TimeoutError):
            pass
        answer = Answer(began, time.monotonic() - began, status, query, later, body)
        self.answers.append(answer)
        return answer


def main() -> int:
    """Read a plan from standard input, send it, and write a line of costs and one for each answer."""
    generator = Generator(Plan.model_validate_json(sys.stdin.readline()))
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    asyncio.run(generator.run())
    spent = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
    with Path(sys.argv[1]).open("w") as out:
        print(json.dumps({"cpu_s": cpu_s, "wall_s": time.monotonic() - began}), file=out)
        for answer in generator.answers:
            print(json.dumps(answer), file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
