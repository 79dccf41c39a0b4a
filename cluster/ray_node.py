"""More Ray nodes beside the head on the same machine: each its own ports, its own folder, its own processes.

They simulate hosts: Ray schedules over them as over any others, and one of them can be killed alone.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import requests
from pydantic import BaseModel

from cluster.ports import LOOPBACK, free_ports
from cluster.processes import Record, end, retried, start, wait_ready
from cluster.ray_head import PORTS, RayHead, head_env, new_temp_dir, object_store_bytes

OF_A_HEAD = ("gcs", "client", "dashboard")


class RayNode(BaseModel):
    """A running node: its number (the head is node 1), ports, folder of Ray's and process."""

    number: int
    ports: dict[str, int]
    temp_dir: Path
    cpus: int
    record: Record

    def alive(self) -> bool:
        """Tell whether the recorded process runs."""
        return self.record.process() is not None

    def stop(self) -> None:
        """End the node with its workers; returns when they have ended. Nothing else is touched."""
        end(self.record)
        shutil.rmtree(self.temp_dir, ignore_errors=True)


def start_nodes(
    state_dir: Path,
    head: RayHead,
    numbers: Sequence[int],
    *,
    env: Mapping[str, str],
    cpus: int,
    timeout: float = 240.0,
    attempts: int = 3,
) -> list[RayNode]:
    """Start nodes of a head, all at once, and wait until they have joined.

    Args:
        state_dir: the cluster's state folder; logs and records lie in ``<state_dir>/nodes/<number>``.
        head: a running one.
        numbers: of the nodes.
        env: variables for every worker, as those of the head.
        cpus: logical CPUs of each.
        timeout: seconds that each may take.
        attempts: how often to try with each that does not join.

    Raises:
        StartError: one did not join; all of these are ended.
    """
    started = {number: _start(state_dir, head, number, env=env, cpus=cpus) for number in numbers}
    waited_for = set()

    def joined(number: int) -> RayNode:
        if number in waited_for:
            started[number] = _start(state_dir, head, number, env=env, cpus=cpus)
        waited_for.add(number)
        node = started[number]
        log = node_folder(state_dir, number) / "node.log"
        wait_ready(node.record, partial(_has_joined, head, node), what=_name(number), log=log, timeout=timeout)
        return node

    try:
        return [retried(partial(joined, number), attempts) for number in numbers]
    except BaseException:  # Ctrl-C, above all
        for node in started.values():
            node.stop()
        raise


def keep_nodes(
    state_dir: Path, head: RayHead, known: Sequence[RayNode], count: int, *, env: Mapping[str, str], cpus: int
) -> list[RayNode]:
    """Bring a cluster to so many nodes, the head among them: start what lacks or died, end what is too many.

    Raises:
        StartError: a new one did not join.
    """
    alive = [node for node in known if node.alive()]
    for node in known:
        if node not in alive or node.number > count:
            node.stop()
    kept = [node for node in alive if node.number <= count]
    missing = [number for number in range(2, count + 1) if number not in {node.number for node in kept}]
    return kept + start_nodes(state_dir, head, missing, env=env, cpus=cpus)


def node_folder(state_dir: Path, number: int) -> Path:
    """Return the folder of a node's log and record."""
    return state_dir.resolve() / "nodes" / str(number)


def _start(state_dir: Path, head: RayHead, number: int, *, env: Mapping[str, str], cpus: int) -> RayNode:
    folder = node_folder(state_dir, number)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {name: option for name, option in PORTS.items() if name not in OF_A_HEAD}
    ports = dict(zip(options, free_ports(len(options)), strict=True))
    temp_dir = new_temp_dir(folder / "temp_dir")
    command = [sys.executable, "-m", "cluster.ray_join", "start", "--block", f"--node-name={_name(number)}"]
    command += [f"--address={LOOPBACK}:{head.ports['gcs']}", f"--node-ip-address={LOOPBACK}", f"--temp-dir={temp_dir}"]
    command += [f"{option}={ports[name]}" for name, option in options.items()]
    command += [f"--num-cpus={cpus}", f"--object-store-memory={object_store_bytes()}", "--disable-usage-stats"]
    environment = {**head_env(env, head.token_path), "RAY_API_SERVER_ADDRESS": head.dashboard_url}
    record = start(command, env=environment, log=folder / "node.log", record=folder / "process.json", cwd=folder)
    return RayNode(number=number, ports=ports, temp_dir=temp_dir, cpus=cpus, record=record)


def _has_joined(head: RayHead, node: RayNode) -> bool:
    url = f"{head.dashboard_url}/api/v0/nodes"
    try:
        answer = requests.get(url, params={"limit": "1000"}, headers=head.headers(), timeout=30)
        answer.raise_for_status()
    except requests.RequestException:
        return False
    known = answer.json()["data"]["result"]["result"]
    return any(entry["node_name"] == _name(node.number) and entry["state"] == "ALIVE" for entry in known)


def _name(number: int) -> str:
    return f"node {number}"
