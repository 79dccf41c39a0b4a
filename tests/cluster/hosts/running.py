"""The whole cluster of hosts: network, store, head with Ray's autoscaler, and a cloud that has the other hosts."""

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from cluster.ray_head import RayHead
from cluster.submit import submit
from sketchray.storage import Store, default_store
from tests.cluster.hosts.autoscaling import SOON, node_types, write_autoscaling_config
from tests.cluster.hosts.cloud import Cloud
from tests.cluster.hosts.lan import Host, Lan, lan
from tests.cluster.hosts.ray_hosts import RayHosts
from tests.cluster.hosts.watching import hosts_of


class Running:
    """What is up, and what one does with it from this machine.

    Args:
        net: the network.
        ray: the hosts of head and store.
        cloud: all other hosts.
        head: as its clients reach it.
        folder: for the jobs' logs.
    """

    def __init__(self, net: Lan, ray: RayHosts, cloud: Cloud, head: RayHead, folder: Path) -> None:
        self.net, self.ray, self.cloud, self.head, self.folder = net, ray, cloud, head, folder
        self.store: Store = default_store()

    def job(self, verb: str, **options: Any) -> dict[str, Any]:
        """Submit a verb of ``jobs/`` and return its result."""
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
        arguments = [f"{key}={value}" for key, value in texts.items()]
        return submit(self.head, ["python", "-m", f"jobs.{verb}", *arguments], log=self.folder / f"{verb}.log")

    def events(self, what: str) -> list[str]:
        """Return the names of the hosts that ``came``, ``went`` or were ``lost``, in order."""
        return [event.host for event in self.cloud.events if event.what == what]

    def one_of(self, addresses: Collection[str]) -> tuple[str, Host]:
        """Return the name of a worker's host that has one of these addresses, and the host."""
        nodes = list(self.cloud.nodes.items())  # the cloud changes them
        return next((name, host) for name, (_, host) in nodes if host.address in addresses)

    def checkpoints(self) -> set[str]:
        """Return the keys of what all runs wrote down at their checkpoints."""
        return {entry.key for entry in self.store.list("runs/") if "/losses/step-" in entry.key}

    def encoders(self) -> set[str]:
        """Return the addresses of the hosts on which an encoder of the endpoint lives."""
        return set(hosts_of(self.head, "ServeReplica:sketchray:encoder", alive=True))


@contextlib.contextmanager
def running_hosts(folder: Path) -> Iterator[Running]:
    """Bring up the head and the store, with no worker yet; the store's variables are this process's meanwhile."""
    with lan(folder) as net:
        ray = RayHosts(net, folder, SOON)
        cloud = Cloud(ray, node_types())
        try:
            config = write_autoscaling_config(folder / "autoscaling.json", cloud.url)
            head = ray.start_head(f"--autoscaling-config={config}")
            with mock.patch.dict(os.environ, ray.store.env()):
                yield Running(net, ray, cloud, head, folder)
        finally:
            cloud.end()
            ray.end()
