"""An ingress replica's side of the rate limit: tokens in stock, so that most questions are let in without a hop.

The stock of a key is filled up before it runs out, in the background. Only the first question after a rest waits for
it, and those of a key so slow that tokens in stock here would be missed elsewhere. A refusal is remembered until its
time is over, so that a caller who floods costs the limiter nothing. While the limiter is away, each replica goes by a
bucket of its own, with its share of rate and burst as the limiter last told it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from serve.limiter import CLOSE, LEASE_S, Ask, Bucket, Grant

SUPPLY_S = 0.2  # a lease is what the key's rate allows in this time,
PART = 4  # and no more than this part of its burst
CRUMB = 0.01  # tokens that are always worth having
AWAY_S = 2.0  # seconds between two looks for a limiter that did not answer
log = logging.getLogger("ray.serve")


class Stock:
    """What a replica holds of one key."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = 0.0
        self.until = 0.0  # when the tokens lapse
        self.refused = (0.0, 0.0)  # so many tokens were refused, and it is no use to ask for as many before this time
        self.sharers = 1
        self.lock = asyncio.Lock()  # one request to the limiter at a time
        self.own: Bucket | None = None  # while the limiter is away

    def spend(self, cost: float, now: float) -> bool:
        """Take tokens from the stock, if there are enough."""
        if now >= self.until:
            self.tokens = 0.0
        if self.tokens < cost - CLOSE:
            return False
        self.tokens = max(0.0, self.tokens - cost)
        return True

    def wait_for(self, cost: float, now: float) -> float:
        """Return the seconds for which a refusal still holds for a cost."""
        least, until = self.refused
        return max(0.0, until - now) if cost >= least - CLOSE else 0.0

    @property
    def supply(self) -> float:
        """Tokens of a usual lease: of a slow key less than a question costs, so that none lie where nobody asks."""
        usual = min(self.rate * SUPPLY_S, self.burst / PART)
        return usual if usual >= 2 else 0.5

    @property
    def is_low(self) -> bool:
        """Whether it is time to fetch more, before a question has to wait for it."""
        return self.supply >= 2 and self.tokens < self.supply / 2


class Leases:
    """Lets questions in or refuses them, by key.

    Args:
        lease: asks the limiter.
        replica: a name that no other replica has, now or later.
        clock: seconds that never go back.
        timeout_s: after which the limiter counts as away.
    """

    def __init__(
        self,
        lease: Callable[[Ask], Awaitable[Grant]],
        *,
        replica: str,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float,
    ) -> None:
        self._lease = lease
        self._replica = replica
        self._clock = clock
        self._timeout_s = timeout_s
        self._stocks: dict[str, Stock] = {}
        self._asked = 0
        self._away = False
        self._again_at = 0.0  # when to look for the limiter again
        self._fetching: set[asyncio.Task[None]] = set()

    async def take(self, key: str, cost: float, *, rate: float, burst: float) -> float:
        """Spend tokens of a key.

        Args:
            key: its id.
            cost: tokens; at most ``burst``, for more than that would never be there.
            rate, burst: tokens a second and tokens, of this key as the caller's file of keys has it now.

        Returns:
            0 where they are spent; else the seconds after which it is worth asking again.
        """
        assert 0 < cost <= burst, "more than the burst is never there"
        stock = self._stocks.setdefault(key, Stock(rate, burst))
        stock.rate, stock.burst = rate, burst
        if stock.spend(cost, self._clock()):
            if stock.is_low and not stock.lock.locked() and not self._away:
                self._fetch_soon(key, stock)
            return 0.0
        if not self._away:
            async with stock.lock:
                while not self._away:
                    now = self._clock()
                    if stock.spend(cost, now):  # of what was fetched while this one waited
                        return 0.0
                    if wait_s := stock.wait_for(cost, now):
                        return wait_s
                    await self._fetch(key, stock, cost)
        return self._take_own(key, stock, cost)

    def _fetch_soon(self, key: str, stock: Stock) -> None:
        async def fetch() -> None:
            async with stock.lock:
                if self._away or (stock.is_low and not stock.wait_for(CRUMB, self._clock())):
                    await self._fetch(key, stock, CRUMB)

        task = asyncio.create_task(fetch())
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _fetch(self, key: str, stock: Stock, cost: float) -> None:
        """Ask the limiter for what the cost takes, and a supply; note down whatever comes of it."""
        began = self._clock()
        held = stock.tokens if began < stock.until else 0.0
        least = max(cost - held, CRUMB)
        self._asked += 1
        ask = Ask(self._replica, self._asked, key, stock.rate, stock.burst, held, least, max(least, stock.supply))
        try:
            grant = await asyncio.wait_for(self._lease(ask), self._timeout_s)
        except Exception as error:  # in whatever way it is away: searching goes on
            if not self._away:
                log.warning("the rate limiter is away (%s); this replica limits by itself", type(error).__name__)
            self._away, self._again_at = True, self._clock() + AWAY_S
            return
        self._away, now = False, self._clock()
        stock.sharers, stock.own = grant.sharers, None
        stock.spend(0.0, now)  # what was held may have lapsed meanwhile
        stock.tokens += grant.tokens
        stock.until = began + LEASE_S
        if not grant.tokens:
            stock.refused = (least, now + grant.wait_s)

    def _take_own(self, key: str, stock: Stock, cost: float) -> float:
        now = self._clock()
        if now >= self._again_at:  # looked for in the background: no question waits for one that hangs
            self._again_at = now + AWAY_S
            self._fetch_soon(key, stock)
        share = 1 / stock.sharers
        limit = max(cost, stock.burst * share)
        if stock.own is None:
            stock.own = Bucket(rate=stock.rate * share, level=limit, now=now)
        stock.own.fill(now, limit)
        return 0.0 if stock.own.take(cost, cost) else stock.own.wait_for(cost)
