"""What arrives while a batch runs forms the next one; questions of two keys are never answered together."""

import asyncio
from collections.abc import Sequence

import pytest

from serve.batching import Batcher


class Slow:
    """Answers each question with itself and its key, when it is allowed to; remembers every batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.go = asyncio.Semaphore(0)

    async def __call__(self, key: str, questions: Sequence[int]) -> list[str]:
        self.batches.append((key, list(questions)))
        await self.go.acquire()
        if 13 in questions:
            raise ValueError("thirteen")
        return [f"{key}{question}" for question in questions]


async def asked(batcher: Batcher[str, int, str], *questions: tuple[str, int]) -> "list[asyncio.Task[str]]":
    tasks = [asyncio.create_task(batcher.ask(key, question)) for key, question in questions]
    await asyncio.sleep(0)
    return tasks


def test_a_batch_grows_while_another_runs() -> None:
    async def main() -> None:
        slow = Slow()
        batcher = Batcher(slow, max_size=3)
        tasks = await asked(batcher, ("a", 0))
        await asyncio.sleep(0)
        assert slow.batches == [("a", [0])]  # a lone question goes at once
        tasks += await asked(batcher, ("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5), ("a", 6))
        for _ in range(4):
            slow.go.release()
        assert await asyncio.gather(*tasks) == ["a0", "a1", "b2", "a3", "b4", "a5", "a6"]
        assert slow.batches == [("a", [0]), ("a", [1, 3, 5]), ("b", [2, 4]), ("a", [6])]

    asyncio.run(main())


def test_who_left_is_not_answered_and_a_failure_stays_with_its_batch() -> None:
    async def main() -> None:
        slow = Slow()
        batcher = Batcher(slow, max_size=8)
        first = await asked(batcher, ("a", 0))
        await asyncio.sleep(0)
        bad = await asked(batcher, ("a", 13), ("a", 14))
        left, good = await asked(batcher, ("a", 15), ("b", 16))
        left.cancel()
        for _ in range(3):
            slow.go.release()
        results = await asyncio.gather(*first, *bad, left, good, return_exceptions=True)
        assert results[0] == "a0"
        assert [str(error) for error in results[1:3]] == ["thirteen", "thirteen"]
        assert isinstance(results[3], asyncio.CancelledError)
        assert results[4] == "b16"
        assert slow.batches == [("a", [0]), ("a", [13, 14]), ("b", [16])]
        slow.go.release()
        assert await batcher.ask("c", 17) == "c17"

    asyncio.run(main())


def test_an_answer_for_every_question() -> None:
    async def short(key: str, questions: Sequence[int]) -> list[str]:
        return [key] * (len(questions) - 1)

    async def main() -> None:
        with pytest.raises(ValueError, match="shorter"):
            await asyncio.wait_for(Batcher(short, max_size=2).ask("a", 1), 60)

    asyncio.run(main())
