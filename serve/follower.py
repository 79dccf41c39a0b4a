"""A replica's line to the director: it reports, hears the plan, and goes on alone while nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.events import log_event
from serve.plans import Plan, Report

PATIENCE_S = 5.0  # of one report
FIRST_PATIENCE_S = 20.0  # of the first, while the whole application comes up


class Follower:
    """Reports to the director every so often, for as long as the replica lives.

    Args:
        director: its handle.
        poll_s: seconds between two reports.
        report: says what there is to report now; the replica's name is added here.
        obey: called with each plan.
    """

    def __init__(
        self,
        director: DeploymentHandle[Any],
        *,
        poll_s: float,
        report: Callable[[], Report],
        obey: Callable[[Plan], Awaitable[None]],
    ) -> None:
        self.director = director
        self.poll_s = poll_s
        self.report = report
        self.obey = obey
        self._replica = replica_id()
        self._heard = True
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Hear and obey a first plan, if the director is there, and go on so in the background."""
        await self._once(FIRST_PATIENCE_S)
        self._task = asyncio.create_task(self._forever())

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(self.poll_s)
            await self._once(PATIENCE_S)

    async def _once(self, patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                plan: Plan = await self.director.report.remote(self.report()._replace(replica=self._replica))
            await self.obey(plan)
        except Exception as error:  # whatever it is: what is held can be answered from without a director
            if self._heard:
                log_event("director_away", reason=f"{type(error).__name__}: {error}"[:200])
            self._heard = False
        else:
            if not self._heard:
                log_event("director_back")
            self._heard = True


def replica_id() -> str:
    """Return this replica's name in reports."""
    return str(serve.get_replica_context().replica_id.unique_id)
