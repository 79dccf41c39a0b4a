"""What a replica holds: releases loaded beside one another, by plan or because somebody asked."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from serve.events import log_event
from serve.metrics import LOAD_MS
from serve.plans import Failure, Offer
from serve.release import Release
from sketchray.storage import NotFound, StoreError

BRIEFLY_S = 0.02
LINGER_S = 15.0  # a release that no plan names any more, and nobody asks for, is kept so long
T = TypeVar("T")


class NotHeldError(RuntimeError):
    """A release that this replica does not hold and cannot load now; the message says why."""


class Holding(Generic[T]):
    """The releases of one replica. Loading happens in one thread of its own, beside the answering.

    Args:
        part: what is loaded, for metrics and logs.
        load: reads and checks a release; raises ValueError where it is bad, StoreError where the store is.
    """

    def __init__(self, part: str, load: Callable[[Release], T]) -> None:
        self.part = part
        self._load = load
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._held: dict[Release, T] = {}
        self._loading: dict[Release, asyncio.Task[T]] = {}
        self._failed: dict[Release, Failure] = {}
        self._named: set[Release] = set()
        self._wanted: dict[Release, float] = {}  # when it was last in a plan or asked for, monotonic seconds

    @property
    def held(self) -> dict[Release, T]:
        """What can be answered from at once."""
        return dict(self._held)

    @property
    def failed(self) -> tuple[Failure, ...]:
        """Offers of the last plan that are bad."""
        return tuple(self._failed.values())

    async def get(self, release: Release) -> T:
        """Return a release's content, loaded first where it is not here.

        Raises:
            NotHeldError: it cannot be loaded.
        """
        self._wanted[release] = time.monotonic()
        if release in self._held:
            return self._held[release]
        try:
            return await asyncio.shield(self._begin(release))  # whoever asked may leave; the next one will ask too
        except (ValueError, OSError) as error:
            raise NotHeldError(f"{release}: {error}") from error

    async def obey(self, offers: Iterable[Offer]) -> None:
        """Begin to load what a plan names and is not here, and let go of what has not been wanted for a while."""
        now, offers = time.monotonic(), tuple(offers)
        self._named = {offer.release for offer in offers}
        self._failed = {release: failure for release, failure in self._failed.items() if release in self._named}
        for offer in offers:
            self._wanted[offer.release] = now
            failure = self._failed.get(offer.release)
            if offer.release not in self._held and (failure is None or failure.offer.ticket != offer.ticket):
                self._failed.pop(offer.release, None)
                self._follow(offer)
        for release in [release for release in self._held if now - self._wanted[release] > LINGER_S]:
            del self._held[release], self._wanted[release]
            log_event("release_dropped", part=self.part, release=str(release))

    async def whole(self) -> None:
        """Wait until everything that the last plan names is here, or known to be bad.

        While the store is away that may take any time: plans are obeyed again and again meanwhile, and a replica that
        could answer nothing would only draw questions away from those that can.
        """
        while self._named - self._held.keys() - self._failed.keys():
            await asyncio.sleep(BRIEFLY_S)

    def _follow(self, offer: Offer) -> None:
        """Load an offer, and remember if it is bad; a store that cannot be reached says nothing about it."""

        def ended(task: "asyncio.Task[T]") -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and (isinstance(error, NotFound) or not isinstance(error, StoreError)):
                self._failed[offer.release] = Failure(offer, str(error) or type(error).__name__)

        if offer.release not in self._loading:
            self._begin(offer.release).add_done_callback(ended)

    def _begin(self, release: Release) -> "asyncio.Task[T]":
        if release not in self._loading:
            self._loading[release] = asyncio.create_task(self._bring(release))
            self._loading[release].add_done_callback(lambda task: self._end(release, task))
        return self._loading[release]

    def _end(self, release: Release, task: "asyncio.Task[T]") -> None:
        del self._loading[release]
        if not task.cancelled():
            task.exception()  # told in the log; whoever asked may not be there any more

    async def _bring(self, release: Release) -> T:
        began = time.perf_counter()
        try:
            content = await asyncio.get_running_loop().run_in_executor(self._thread, self._load, release)
        except Exception as error:
            log_event("release_failed", part=self.part, release=str(release), reason=str(error))
            raise
        ms = (time.perf_counter() - began) * 1000
        self._held[release] = content
        LOAD_MS.observe(ms, self.part)
        log_event("release_held", part=self.part, release=str(release), ms=round(ms, 1))
        return content
