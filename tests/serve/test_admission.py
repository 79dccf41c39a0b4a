"""Questions are let in as long as they can be answered soon, however fast that is."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from serve.admission import Admission, AdmissionConfig, admit
from serve.errors import ProblemError
from serve.metrics import SHED


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def shed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reasons: list[str] = []
    monkeypatch.setattr(SHED, "add", reasons.append)
    return reasons


class Server:
    """An endpoint that answers ``rate`` questions a second one after another, in made time.

    Args:
        rate: answers a second.
        config: of its admission.
        status: of every answer.
    """

    def __init__(self, rate: float, config: AdmissionConfig, status: int = 200) -> None:
        self.clock = Clock()
        self.rate, self.status = rate, status
        self.admission = Admission(self.app, config=config, clock=self.clock)
        self.waits: list[float] = []
        self._queue: list[tuple[float, asyncio.Event]] = []

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/v1/search":
            event = asyncio.Event()
            self._queue.append((self.clock.now, event))
            await event.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})

    async def ask(self, path: str = "/v1/search") -> int:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self.admission({"type": "http", "method": "POST", "path": path}, None, send)  # type: ignore[arg-type]
        return statuses[0]

    async def load(self, offered: float, seconds: float) -> dict[int, int]:
        """Ask ``offered`` questions a second, evenly; return how many were answered by status."""
        tasks = []
        step = 1 / max(offered, self.rate) / 4
        asked = answered = 0.0
        while self.clock.now < seconds:
            self.clock.now += step
            if (asked := asked + offered * step) >= 1:
                asked -= 1
                tasks.append(asyncio.create_task(self.ask()))
            answered = min(answered + self.rate * step, 1 if not self._queue else answered + self.rate * step)
            if self._queue and answered >= 1:
                answered -= 1
                since, event = self._queue.pop(0)
                self.waits.append(self.clock.now - since)
                event.set()
            for _ in range(4):
                await asyncio.sleep(0)
        for _, event in self._queue:
            event.set()
        statuses = await asyncio.gather(*tasks)
        return {status: statuses.count(status) for status in sorted(set(statuses))}


@pytest.mark.parametrize("rate", [20.0, 400.0])
def test_what_is_let_in_waits_no_longer_than_said_whatever_the_speed(rate: float, shed: list[str]) -> None:
    async def main() -> None:
        server = Server(rate, AdmissionConfig(wait_s=0.5, floor=4, ceiling=1000))
        counts = await server.load(3 * rate, seconds=12)
        assert counts[200] > 0.85 * rate * 12  # it stays busy
        assert counts[503] == len(shed) > rate * 12
        late = sorted(server.waits[len(server.waits) // 2 :])
        assert late[len(late) // 2] > 0.25  # and uses the wait that it has
        assert late[-1] < 0.8

    asyncio.run(main())


def test_nobody_is_turned_away_below_what_can_be_answered() -> None:
    async def main() -> None:
        server = Server(50, AdmissionConfig(wait_s=0.5, floor=4))
        assert await server.load(40, seconds=10) == {200: 400}

    asyncio.run(main())


def test_the_floor_the_ceiling_and_what_is_no_question() -> None:
    async def main() -> None:
        server = Server(1000, AdmissionConfig(wait_s=10, floor=2, ceiling=6))
        tasks = [asyncio.create_task(server.ask()) for _ in range(3)]
        await asyncio.sleep(0)
        assert await tasks[2] == 503
        assert await server.ask("/v1/session") == 200
        assert server.admission.limit == 2
        await server.load(1000, seconds=3)
        assert server.admission.limit == 6
        await asyncio.gather(*tasks)
        assert server.admission.in_flight == 0

    asyncio.run(main())


def test_refusals_are_no_sign_of_speed() -> None:
    async def main() -> None:
        server = Server(1000, AdmissionConfig(wait_s=0.5, floor=2), status=422)
        await server.load(500, seconds=3)
        assert server.admission.limit == 2

    asyncio.run(main())


def test_a_batch_counts_as_its_questions_and_alone_is_let_in_however_long() -> None:
    async def main() -> None:
        admission = Admission(batches, config=AdmissionConfig(floor=4))
        assert await post(admission, questions=3) == 200
        assert await post(admission, questions=20) == 200  # more than the limit, but alone
        assert admission.in_flight == 0
        first = asyncio.create_task(post(admission, questions=3))
        await asyncio.sleep(0)
        assert admission.in_flight == 3
        assert await post(admission, questions=2) == 503
        assert await post(admission, questions=1) == 200
        assert await first == 200
        assert admission.in_flight == 0

    async def batches(scope: Any, receive: Any, send: Any) -> None:
        admit(Request(scope), scope["questions"] - 1)
        for _ in range(3):
            await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def post(admission: Admission, *, questions: int) -> int:
        status = 0

        async def send(message: Any) -> None:
            nonlocal status
            status = message["status"]

        scope = {"type": "http", "method": "POST", "path": "/v1/search:batch", "questions": questions}
        try:
            await admission(scope, None, send)  # type: ignore[arg-type]
        except ProblemError as problem:
            return problem.status
        return status

    asyncio.run(main())
