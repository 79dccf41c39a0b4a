"""The rate limit: its promise over any window of time, whatever the replicas do; and what it costs."""

import asyncio
import math
import time
from itertools import accumulate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serve.leases import AWAY_S, Leases
from serve.limiter import LEASE_S, Ask, Grant, Limiter


class World:
    """A clock that is set by hand, a limiter that goes by it, and replicas that ask it."""

    def __init__(self, replicas: int) -> None:
        self.now = 0.0
        self.limiter = Limiter(lambda: self.now)
        self.hops = 0
        self.delay_s = 0.0
        self.away = False
        self.started = 0
        self.replicas = [self.start() for _ in range(replicas)]
        self.spent: list[tuple[float, float]] = []  # (time, tokens)

    def start(self) -> Leases:
        self.started += 1
        # Its time-out is the only real time here: a machine that stands still for a moment is no limiter that is away.
        return Leases(self.lease, replica=f"replica-{self.started}", clock=lambda: self.now, timeout_s=60)

    async def lease(self, ask: Ask) -> Grant:
        self.hops += 1
        if self.away:
            raise ConnectionError("nobody there")
        self.now += self.delay_s / 2
        await asyncio.sleep(0)  # others go on meanwhile
        grant = await self.limiter.lease(ask)
        await asyncio.sleep(0)
        self.now += self.delay_s / 2
        return grant

    async def ask(self, replica: int, cost: float, *, rate: float, burst: float) -> float:
        wait_s = await self.replicas[replica].take("key", cost, rate=rate, burst=burst)
        if wait_s == 0:
            self.spent.append((self.now, cost))
        return wait_s


def most_over_the_promise(spent: list[tuple[float, float]], rate: float, burst: float) -> float:
    """Look at every window there is: how many tokens more than rate * t + burst were spent in one, at the most."""
    totals = [0.0, *accumulate(cost for _, cost in spent)]
    return max(
        totals[last + 1] - totals[first] - rate * (spent[last][0] - spent[first][0]) - burst
        for first in range(len(spent))
        for last in range(first, len(spent))
    )


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 3)),  # seconds
    st.tuples(st.just("ask"), st.integers(0, 3), st.sampled_from((0.02, 1.0, 1.0, 1.0, 3.0))),
    st.tuples(st.just("crowd"), st.integers(0, 4), st.integers(1, 120)),  # at once, at one replica or (4) at all
    st.tuples(st.just("die"), st.integers(0, 3)),  # with what it holds; a new one takes its place
)


@given(
    rate=st.sampled_from((0.5, 3.0, 20.0, 200.0)),
    burst=st.sampled_from((3.0, 10.0, 100.0)),
    delay_s=st.sampled_from((0.0, 0.003, 0.4)),
    steps=st.lists(STEPS, max_size=40),
)
# A replica that holds much goes quiet; others take all there is; then it spends what it held.
@example(200.0, 100.0, 0.0, [("ask", 0, 1.0), ("pass", 1.5), ("crowd", 1, 120), ("crowd", 0, 120)])
@example(200.0, 100.0, 0.0, [("ask", 0, 1.0), ("pass", 2.5), ("crowd", 1, 120), ("crowd", 0, 120)])
@example(200.0, 100.0, 0.4, [("ask", 0, 1.0), ("pass", 1.6), ("crowd", 1, 120), ("crowd", 0, 120)])
@settings(max_examples=150, deadline=None)
def test_replicas_together_never_spend_more_than_the_rate_and_one_burst(
    rate: float, burst: float, delay_s: float, steps: list[tuple[str, float, float]]
) -> None:
    async def live() -> World:
        world = World(4)
        world.delay_s = delay_s
        for what, *values in steps:
            if what == "pass":
                world.now += values[0]
            elif what == "ask":
                await world.ask(int(values[0]), values[1], rate=rate, burst=burst)
            elif what == "crowd":
                where, count = map(int, values)
                all_of_them = (
                    world.ask(n % 4 if where == 4 else where, 1.0, rate=rate, burst=burst) for n in range(count)
                )
                await asyncio.gather(*all_of_them)
            else:
                world.replicas[int(values[0])] = world.start()
        return world

    spent = asyncio.run(live()).spent
    assert not spent or most_over_the_promise(spent, rate, burst) < 1e-6


def drive(
    world: World, *, rate: float, burst: float, every_s: float, seconds: float, patient: bool = False
) -> tuple[int, int]:
    """Ask one question after the other, replica by replica; return how many were let in and how many were asked."""

    async def live() -> tuple[int, int]:
        let_in = asked = 0
        until = world.now + seconds
        while world.now < until:
            wait_s = await world.ask(asked % len(world.replicas), 1.0, rate=rate, burst=burst)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            let_in += wait_s == 0
            asked += 1
            world.now += max(every_s, wait_s if patient else 0.0)
        return let_in, asked

    return asyncio.run(live())


@pytest.mark.parametrize("replicas", [1, 2, 8])
@pytest.mark.parametrize(("rate", "burst"), [(50.0, 100.0), (1000.0, 50.0), (5.0, 20.0)])
def test_who_keeps_to_the_rate_is_always_let_in(replicas: int, rate: float, burst: float) -> None:
    let_in, asked = drive(World(replicas), rate=rate, burst=burst, every_s=1.25 / rate, seconds=min(20, 2000 / rate))
    assert let_in == asked > 50


@pytest.mark.parametrize("replicas", [1, 2, 8])
@pytest.mark.parametrize(("rate", "burst"), [(50.0, 100.0), (1000.0, 50.0), (5.0, 20.0)])
def test_who_asks_too_much_gets_the_rate(replicas: int, rate: float, burst: float) -> None:
    seconds = min(20, 2000 / rate)
    let_in, _ = drive(World(replicas), rate=rate, burst=burst, every_s=0.2 / rate, seconds=seconds)
    assert 0.9 * rate * seconds < let_in <= rate * seconds + burst


def test_a_question_seldom_costs_a_hop() -> None:
    world = World(2)
    let_in, asked = drive(world, rate=100.0, burst=200.0, every_s=1 / 80, seconds=30)
    assert let_in == asked
    assert world.hops < asked / 5


def test_a_flood_costs_the_limiter_little() -> None:
    world = World(2)
    let_in, asked = drive(world, rate=10.0, burst=20.0, every_s=0.001, seconds=10)
    assert asked == pytest.approx(10_000, abs=2)
    assert let_in <= 120
    assert world.hops < asked / 5


@pytest.mark.parametrize(("rate", "burst"), [(50.0, 100.0), (1.0, 1.0), (0.1, 5.0)])
def test_the_wait_that_is_told_is_long_enough_and_no_longer(rate: float, burst: float) -> None:
    world = World(1)
    seconds = 200 / rate
    let_in, asked = drive(world, rate=rate, burst=burst, every_s=0.0, seconds=seconds, patient=True)
    assert let_in > 0.9 * (rate * seconds + burst) - 1
    assert asked < 3 * let_in


def test_a_lease_of_a_dead_replica_is_not_lost_for_ever() -> None:
    async def live() -> tuple[float, ...]:
        world = World(2)
        first = await world.ask(0, 1.0, rate=100.0, burst=4.0)
        world.replicas[0] = world.start()
        world.now += LEASE_S + 1
        return first, *[await world.ask(1, cost, rate=100.0, burst=4.0) for cost in (4.0, 1.0)]

    first, whole_burst, after = asyncio.run(live())
    assert (first, whole_burst) == (0, 0)
    assert after > 0


def test_a_message_that_comes_late_changes_nothing() -> None:
    async def live() -> list[Grant]:
        limiter = Limiter(lambda: 0.0)
        ask = Ask("a", 2, "key", rate=1.0, burst=10.0, held=0.0, least=1.0, wanted=4.0)
        return [
            await limiter.lease(each) for each in (ask, ask, ask._replace(number=1), ask._replace(number=3, held=4.0))
        ]

    granted, again, late, newer = asyncio.run(live())
    assert granted.tokens == newer.tokens == 4.0
    assert again.tokens == late.tokens == 0.0


def test_keys_do_not_share() -> None:
    async def live() -> list[bool]:
        world = World(1)
        leases = world.replicas[0]
        return [await leases.take(key, 1.0, rate=0.01, burst=1.0) == 0 for key in ("a", "a", "b", "b")]

    assert asyncio.run(live()) == [True, False, True, False]


def test_while_the_limiter_is_away_each_replica_keeps_to_its_share() -> None:
    world = World(2)
    drive(world, rate=20.0, burst=40.0, every_s=0.06, seconds=2)  # both are known by now
    world.away = True
    hops = world.hops
    let_in, _ = drive(world, rate=20.0, burst=40.0, every_s=0.005, seconds=20)
    assert 0.9 * 20 * 20 < let_in <= 20 * 20 + 40 + 10  # the last are what was still in stock
    assert world.hops - hops <= 2 * math.ceil(20 / AWAY_S) + 2, "it is left in peace"
    world.away = False
    world.now += AWAY_S + 10
    let_in, _ = drive(world, rate=20.0, burst=40.0, every_s=0.005, seconds=20)
    assert let_in <= 20 * 20 + 40 + 4  # a question or two of each before it has found the limiter again


def test_a_limiter_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def never(_: Ask) -> Grant:
        nonlocal asked
        asked += 1
        await asyncio.sleep(60)
        raise AssertionError("nobody waits that long")

    async def live() -> list[float]:
        leases = Leases(never, replica="a", timeout_s=4.0)
        took_s = []
        for _ in range(100):
            began = time.perf_counter()
            assert await leases.take("key", 1.0, rate=10.0, burst=200.0) == 0.0
            took_s.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)
        return took_s

    monkeypatch.setattr("serve.leases.AWAY_S", 0.05)
    took_s = asyncio.run(live())
    assert took_s[0] >= 4.0
    assert max(took_s[1:]) < 3.0, "only the first question waits, not those that come while it is looked for again"
    assert asked > 1
