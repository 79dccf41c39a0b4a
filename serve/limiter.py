"""The rate limit of each key, across every ingress replica: token buckets in one place, handed out in small leases.

A question costs a token. A bucket fills at ``rate`` tokens a second up to ``burst``. An ingress replica does not ask
for every question: it takes a lease of some tokens at a time (`serve.leases`) and spends them by itself, so most
questions cost no hop. The promise holds all the same: **in any time t, all replicas together spend at most
rate * t + burst.**

It holds because tokens that are out count as if they still lay in the bucket: it fills only up to ``burst`` less what
replicas may still hold. What a replica has spent it tells when it asks again; what one that died held lapses after
`LEASE_S`, here never earlier than there, as the replica counts from before it asked.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

LEASE_S = 2.0  # for so long may a replica spend what it was given
SOON_S = 0.001
CLOSE = 1e-9  # tokens: sums of floats


class Ask(NamedTuple):
    """A replica's request for tokens of one key.

    Attributes:
        replica: its name, new with every start.
        number: counts the replica's requests; one that comes late is not answered.
        key: the key's id.
        rate, burst: of this key, in tokens a second and tokens.
        held: tokens of this key that the replica still has from before.
        least: fewer than these are of no use to it.
        wanted: more than these it does not need.
    """

    replica: str
    number: int
    key: str
    rate: float
    burst: float
    held: float
    least: float
    wanted: float


class Grant(NamedTuple):
    """The answer: tokens, or the seconds after which to ask again.

    Attributes:
        tokens: given, beside those held; 0 or at least ``least``.
        wait_s: where none were given.
        sharers: replicas that have asked for this key lately, this one included.
    """

    tokens: float
    wait_s: float
    sharers: int


class Bucket:
    """Tokens that flow in at a rate up to a limit, without anybody counting the seconds in between.

    Args:
        rate: tokens a second.
        level: tokens now.
        now: seconds, by the clock that every later call goes by.
    """

    def __init__(self, *, rate: float, level: float, now: float) -> None:
        self.rate = rate
        self.level = level
        self.at = now

    def fill(self, now: float, limit: float) -> None:
        """Let in what has come since the last call. A level above the limit goes down to it."""
        self.level = min(limit, self.level + self.rate * max(0.0, now - self.at))
        self.at = max(self.at, now)

    def take(self, least: float, most: float) -> float:
        """Return tokens taken out: as many as there are up to ``most``, or none if there are fewer than ``least``."""
        taken = min(self.level, most)
        if taken < least - CLOSE:
            return 0.0
        self.level = max(0.0, self.level - taken)
        return taken

    def wait_for(self, tokens: float) -> float:
        """Return the seconds until there are this many."""
        return max(0.0, tokens - self.level) / self.rate


class Lease(NamedTuple):
    """What one replica may still hold of one key."""

    tokens: float
    until: float
    number: int


class Limiter:
    """Every key's bucket and leases. As a deployment it has exactly one replica, and keeps its state in memory.

    When it is started again, every bucket is full: that forgives each key one burst at most.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._leases: dict[str, dict[str, Lease]] = {}  # by key, by replica

    async def lease(self, ask: Ask) -> Grant:  # async, so that Serve runs one call after the other
        """Give a replica tokens of a key, if there are any.

        A replica gets no more than its share of what is left, so that near the limit no other goes without.
        """
        now = self._clock()
        leases = self._leases.setdefault(ask.key, {})
        bucket = self._buckets.setdefault(ask.key, Bucket(rate=ask.rate, level=ask.burst, now=now))
        for until, replica in sorted((lease.until, name) for name, lease in leases.items() if lease.until <= now):
            bucket.fill(until, ask.burst - _out(leases))  # up to there it counted as out
            del leases[replica]
        bucket.fill(now, ask.burst - _out(leases))
        bucket.rate = ask.rate
        mine = leases.get(ask.replica)
        if mine is not None and mine.number >= ask.number:
            return Grant(0.0, LEASE_S, len(leases))
        leases[ask.replica] = Lease(ask.held, now + LEASE_S, ask.number)
        share = max(ask.least, min(ask.wanted, bucket.level / len(leases)))
        tokens = bucket.take(ask.least, share)
        leases[ask.replica] = Lease(ask.held + tokens, now + LEASE_S, ask.number)
        if tokens:
            return Grant(tokens, 0.0, len(leases))
        wait_s = max(bucket.wait_for(ask.least), SOON_S)
        if ask.least > ask.burst - _out(leases) + CLOSE:  # others hold too much: until they have spent it, or it lapses
            wait_s = max(wait_s, LEASE_S / 2)
        return Grant(0.0, wait_s, len(leases))


def _out(leases: dict[str, Lease]) -> float:
    return sum(lease.tokens for lease in leases.values())
