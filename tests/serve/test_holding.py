"""What a replica holds: loaded by plan or on demand, one release beside another, bad ones remembered, old ones gone."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable

import pytest

import serve.holding
from serve.holding import Holding, NotHeldError
from serve.metrics import LOAD_MS
from serve.plans import Failure, Offer
from serve.release import Release
from sketchray.storage import NotFound, Unreachable

OLD, NEW, BAD = (Release("shapes", version) for version in ("old", "new", "bad"))


class Loader:
    """Loads a release as its own name; fails as told."""

    def __init__(self) -> None:
        self.loads: Counter[Release] = Counter()
        self.fails: dict[Release, Exception] = {}
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, release: Release) -> str:
        self.gate.wait(240)
        self.loads[release] += 1
        if release in self.fails:
            raise self.fails[release]
        return str(release)


@pytest.fixture(autouse=True)
def metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOAD_MS, "observe", lambda *_: None)


async def settled(holding: Holding[str]) -> None:
    """Wait until nothing is being loaded."""
    while holding._loading:
        await asyncio.wait(holding._loading.values())
        await asyncio.sleep(0)


def run(body: Callable[[Holding[str], Loader], object]) -> None:
    async def main() -> None:
        loader = Loader()
        await body(Holding("part", loader), loader)  # type: ignore[misc]

    asyncio.run(main())


def test_a_plan_is_loaded_beside_what_is_there() -> None:
    async def body(holding: Holding[str], loader: Loader) -> None:
        await holding.obey([Offer(OLD, "1")])
        await settled(holding)
        loader.gate.clear()
        await holding.obey([Offer(OLD, "1"), Offer(NEW, "2")])
        assert await holding.get(OLD) == "shapes@old"  # answered while the other is being read
        assert set(holding.held) == {OLD}
        loader.gate.set()
        await settled(holding)
        assert set(holding.held) == {OLD, NEW}
        await holding.obey([Offer(OLD, ""), Offer(NEW, "")])
        await settled(holding)
        assert loader.loads == {OLD: 1, NEW: 1}

    run(body)


def test_many_who_ask_for_what_is_not_there_wait_for_one_load() -> None:
    async def body(holding: Holding[str], loader: Loader) -> None:
        loader.gate.clear()
        first, *others = [asyncio.create_task(holding.get(NEW)) for _ in range(5)]
        await asyncio.sleep(0.01)
        first.cancel()
        loader.gate.set()
        assert await asyncio.gather(*others) == ["shapes@new"] * 4
        assert loader.loads == {NEW: 1}
        loader.fails[BAD] = ValueError("torn")
        with pytest.raises(NotHeldError, match="shapes@bad: torn"):
            await holding.get(BAD)
        assert holding.failed == ()  # nobody offered it

    run(body)


@pytest.mark.parametrize("error", [ValueError("torn"), NotFound("gone"), RuntimeError("a bug")])
def test_a_bad_offer_is_reported_and_tried_again_under_another_ticket_only(error: Exception) -> None:
    async def body(holding: Holding[str], loader: Loader) -> None:
        loader.fails[BAD] = error
        for _ in range(3):
            await holding.obey([Offer(OLD, "1"), Offer(BAD, "2")])
            await settled(holding)
            await asyncio.sleep(0)
        assert list(holding.failed) == [Failure(Offer(BAD, "2"), str(error))]
        assert loader.loads == {OLD: 1, BAD: 1}
        await holding.whole()  # nothing more is to be waited for
        del loader.fails[BAD]
        await holding.obey([Offer(OLD, "1"), Offer(BAD, "3")])
        await settled(holding)
        assert not holding.failed
        assert set(holding.held) == {OLD, BAD}

    run(body)


def test_a_store_that_is_away_says_nothing_about_a_release() -> None:
    async def body(holding: Holding[str], loader: Loader) -> None:
        loader.fails[NEW] = Unreachable("no answer")
        for _ in range(2):
            await holding.obey([Offer(NEW, "1")])
            await settled(holding)
            assert holding.failed == ()
        waiting = asyncio.create_task(holding.whole())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        del loader.fails[NEW]
        await holding.obey([Offer(NEW, "1")])
        await waiting
        assert set(holding.held) == {NEW}
        assert loader.loads == {NEW: 3}

    run(body)


def test_what_nobody_wants_goes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(holding: Holding[str], _: Loader) -> None:
        await holding.obey([Offer(OLD, "1"), Offer(NEW, "2")])
        await settled(holding)
        await holding.obey([Offer(NEW, "2")])
        assert set(holding.held) == {OLD, NEW}  # a director that just started may not know all yet
        monkeypatch.setattr(serve.holding, "LINGER_S", 0.0)
        await holding.get(OLD)
        await holding.obey([Offer(NEW, "2")])
        assert set(holding.held) == {NEW}
        assert await holding.get(OLD) == "shapes@old"  # correct, only slow

    run(body)
