"""The director: watches ``CURRENT`` of every gallery, and says what replicas hold and what is answered from.

Nobody waits for it: when it is dead or cut off, everything goes on with what is held, and only no new version comes.
"""

import asyncio
import time
from collections.abc import Sequence

from ray import serve
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from serve.events import log_event
from serve.graph import Graph
from serve.holding import NotHeldError
from serve.plans import EncoderFacts, Offer, Plan, Report
from serve.probes import probe_release
from serve.rollout import Rollout
from sketchray.gallery import GalleryError, gallery_store, open_gallery, read_pointer
from sketchray.gallery.publish import CURRENT
from sketchray.storage import Store, StoreError

LOST_S = 10.0  # a replica that has not reported for so long is counted as dead
STORE_S = 30.0  # of one look at the store
PROBE_S = 120.0
PASSING = (TimeoutError, RayActorError, DeploymentUnavailableError, BackPressureError, NotHeldError)


class Director:
    """The one replica that decides which release of each gallery is active.

    Args:
        store: where the galleries are.
        galleries: their names, the default one first.
        encoder, groups: names of the deployments that hold releases.
        poll_s: seconds between two looks at ``CURRENT``.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, *, store: Store, galleries: Sequence[str], encoder: str, groups: Sequence[str], poll_s: float
    ) -> None:
        self.store, self.poll_s = store, poll_s
        self._encoder, self._groups = encoder, tuple(groups)
        self._rollouts = [Rollout(name, (encoder, *groups)) for name in galleries]
        self._reports: dict[str, tuple[float, Report]] = {}
        self._probes: dict[Offer, asyncio.Task[None]] = {}
        self._graph: Graph | None = None
        self._watches = [asyncio.create_task(self._watch(rollout)) for rollout in self._rollouts]

    async def report(self, report: Report) -> Plan:
        """Take a replica's report, and return the plan as it is now."""
        self._reports[report.replica] = (time.monotonic(), report)
        for rollout in self._rollouts:
            self._advance(rollout)
        return Plan(
            hold=tuple(offer for rollout in self._rollouts for offer in rollout.hold),
            active=tuple(rollout.active for rollout in self._rollouts if rollout.active is not None),
            refused=tuple(rollout.refusal for rollout in self._rollouts if rollout.refusal is not None),
        )

    async def check_health(self) -> None:
        """Tell whether every gallery is still watched."""
        for watch in self._watches:
            if watch.done():
                raise RuntimeError("a gallery is watched no more") from watch.exception()

    async def _watch(self, rollout: Rollout) -> None:
        reached = True
        while True:
            try:
                async with asyncio.timeout(STORE_S):
                    await self._look(rollout)
            except (StoreError, TimeoutError) as error:
                if reached:
                    log_event("store_away", gallery=rollout.name, reason=str(error))
                reached = False
            else:
                reached = True
            self._advance(rollout)
            await asyncio.sleep(self.poll_s)

    async def _look(self, rollout: Rollout) -> None:
        """See what is current, and offer it if it was not seen yet."""
        place, version = gallery_store(self.store, rollout.name), "unknown"
        entry = await asyncio.to_thread(place.head, CURRENT)
        if entry is None or not rollout.is_new(entry.etag):
            return
        try:
            pointer = await asyncio.to_thread(read_pointer, place)
            version = pointer.version if pointer else version
            gallery = await asyncio.to_thread(open_gallery, self.store, rollout.name)
        except GalleryError as error:
            rollout.refuse_unread(version, entry.etag, str(error))
        else:
            rollout.publish(gallery.manifest, entry.etag)

    def _advance(self, rollout: Rollout) -> None:
        now = time.monotonic()
        self._reports = {name: seen for name, seen in self._reports.items() if now - seen[0] < LOST_S}
        facts = rollout.hear(report for _, report in self._reports.values())
        offer = rollout.offer
        if facts is not None and offer is not None and offer not in self._probes:
            self._probes[offer] = asyncio.create_task(self._probe(rollout, offer, facts))
            self._probes[offer].add_done_callback(lambda _: self._probes.pop(offer))

    async def _probe(self, rollout: Rollout, offer: Offer, facts: EncoderFacts) -> None:
        """Look the example sketches up in a release that every replica holds, and answer from it if that goes well."""
        if self._graph is None:  # its deployments are there: they have reported
            handles = [serve.get_deployment_handle(name) for name in (self._encoder, *self._groups)]
            self._graph = Graph(handles[0], handles[1:])
        try:
            async with asyncio.timeout(PROBE_S):
                await probe_release(self._graph, rollout.describe(facts))
        except PASSING as error:  # says nothing about the release: it is probed again
            log_event("probe_interrupted", release=str(offer.release), reason=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(self.poll_s)
        except Exception as error:
            rollout.refuse(offer, str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__)
        else:
            rollout.activate(offer, facts)
