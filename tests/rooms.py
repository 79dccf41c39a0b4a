"""Rooms side by side: under ``pytest -n 2`` (pytest-xdist) each room's tests stay together, in their order.

So a room's Ray, object store or server is started once, and its tests never meet each other. The files of
``tests/lib``, which start little, are handed out one by one and fill up what is left.
"""

import contextlib

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TEARDOWN_S = 120  # what a room's servers need to end, on a busy machine


class RoomScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Hands out a whole room to one process; of ``tests/lib`` a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        _, room, *_ = file.split("/")
        return file if room == "lib" else room


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> RoomScheduling:
    """Schedule by rooms; xdist's own option for it has no say."""
    return RoomScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After Ctrl-C wait until the processes have ended what they started; xdist kills them after some seconds."""
    processes = session.config.pluginmanager.get_plugin("dsession")
    if processes is not None and exitstatus == pytest.ExitCode.INTERRUPTED:
        for gateway in processes.nodemanager.group:
            with contextlib.suppress(Exception):  # it ended otherwise, or not in time
                gateway.node.channel.waitclose(TEARDOWN_S)
