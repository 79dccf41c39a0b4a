"""An endpoint that is put to the test, seen from outside: its answers over HTTP and its processes."""

import signal
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import psutil
import requests

TITLE = "ray::ServeReplica:"


class Target(Protocol):
    """What the tests of an endpoint need of it."""

    @property
    def url(self) -> str:
        """Of the endpoint, without a slash at the end."""

    @property
    def gallery(self) -> str:
        """The made gallery that it serves."""

    def replicas(self) -> dict[str, list[psutil.Process]]:
        """Return the processes of the replicas by deployment."""

    def least(self, deployment: str) -> int:
        """Return how many replicas of a deployment there should be at least."""

    def publish(self) -> str:
        """Publish another version of it; return its name."""

    def lose_store(self) -> None:
        """Take the object store away; its data stay."""

    def find_store(self) -> None:
        """Bring it back to the same address."""


def replicas_below(root: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes of Serve's replicas below a process, by the name of their deployment.

    A replica has its process from the moment at which it begins to start until it has stopped.
    """
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    for process in root.children(recursive=True):
        try:
            title = process.cmdline()[0]
        except (psutil.Error, IndexError):
            continue
        if title.startswith(TITLE):
            found[title.removeprefix(TITLE).split(":")[1].partition(".")[0]].append(process)
    return found


def is_ready(target: Target) -> bool:
    """Tell whether ``/readyz`` says so."""
    try:
        return requests.get(f"{target.url}/readyz", timeout=30).ok
    except requests.RequestException:
        return False


def current_version(target: Target) -> str | None:
    """Return the version of the made gallery that is served, or None while nobody can say."""
    try:
        answer = requests.get(f"{target.url}/v1/gallery", params={"name": target.gallery}, timeout=30)
        return str(answer.json()["gallery_version"]) if answer.ok else None
    except requests.RequestException:
        return None


def kill_one(target: Target, deployment: str) -> int:
    """End one replica of a deployment with SIGKILL; return its process id."""
    victim = target.replicas()[deployment][0]
    victim.send_signal(signal.SIGKILL)
    return victim.pid


def wait_for(test: Callable[[], bool], *, what: str, patience_s: float) -> None:
    """Wait until a test passes.

    Raises:
        TimeoutError: it did not in that time; ``what`` is named.
    """
    deadline = time.monotonic() + patience_s
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {patience_s:g} s")
        time.sleep(0.2)
