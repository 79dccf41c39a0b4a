"""Dynamic batching: what arrives while a batch runs forms the next one, and a lone question goes at once.

``serve.batch`` does not do this without a waiting time: it takes what is queued as soon as it comes, and lets those
small batches wait for one another. Nor can it keep questions to different releases apart.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")


class _Waiting(NamedTuple, Generic[K, Q, A]):
    key: K
    question: Q
    answer: "asyncio.Future[A]"


class Batcher(Generic[K, Q, A]):
    """Answers questions of one key together, one batch at a time, the oldest question first.

    Args:
        run: answers the questions of a batch, in order.
        max_size: questions in a batch.
    """

    def __init__(self, run: Callable[[K, Sequence[Q]], Awaitable[Sequence[A]]], *, max_size: int) -> None:
        self.run = run
        self.max_size = max_size
        self._queue: deque[_Waiting[K, Q, A]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, key: K, question: Q) -> A:
        """Return the answer to one question; whatever ``run`` raises for its batch is raised here."""
        waiting = _Waiting(key, question, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        answer: A = await waiting.answer
        return answer

    async def _work(self) -> None:
        try:
            while batch := self._next():
                await self._answer(batch)
        finally:
            self._worker = None

    def _next(self) -> list[_Waiting[K, Q, A]]:
        """Take the oldest question and what else can be answered with it; nobody waits for a cancelled one."""
        batch: list[_Waiting[K, Q, A]] = []
        left: deque[_Waiting[K, Q, A]] = deque()
        while self._queue and len(batch) < self.max_size:
            waiting = self._queue.popleft()
            if waiting.answer.done():
                continue
            (batch if not batch or waiting.key == batch[0].key else left).append(waiting)
        self._queue.extendleft(reversed(left))
        return batch

    async def _answer(self, batch: list[_Waiting[K, Q, A]]) -> None:
        try:
            answers = await self.run(batch[0].key, [waiting.question for waiting in batch])
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
        except Exception as error:  # of these questions alone; the next ones may go well
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
