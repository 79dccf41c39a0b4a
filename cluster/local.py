"""The cluster of one machine: ``python -m cluster.local up | down | status | env``.

``up`` starts what does not run and repairs what a reboot or a kill left behind; twice does no harm. With ``--nodes 3``
Ray has three nodes, as if there were so many hosts. ``down`` ends what ``up`` or the demo started, known by process id
and start time, and nothing else. ``env`` prints shell variables by which ``ray``, ``serve`` and ``python -m
jobs.<verb>`` reach this cluster: ``eval "$(python -m cluster.local env)"``.
"""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

import requests

from cluster.ports import LOOPBACK
from cluster.processes import Record, StartError, end
from cluster.ray_head import logical_cpus, start_ray
from cluster.ray_node import keep_nodes
from cluster.state import STATE_DIR, State, load, locked, own_store_env, save
from cluster.store_server import start_store


def up(
    state_dir: Path = STATE_DIR, *, cpus: int | None = None, nodes: int | None = None, owner: Record | None = None
) -> State:
    """Start the object store and Ray, unless they run.

    Args:
        state_dir: the cluster's state folder.
        cpus: logical CPUs of each node that has to be started.
        nodes: how many Ray nodes, the head among them; None for as many as there were, or one.
        owner: the command that will call `down`, if the cluster is not to outlive it.

    Raises:
        StartError: a server did not come up; the others stay and are recorded.
    """
    with locked(state_dir):
        state = load(state_dir)
        count = nodes or 1 + len(state.nodes)
        running = state.ray is not None and state.ray.alive()
        if not running or (state.owner is not None and state.owner.process() is None):
            state.owner = owner  # a cluster whose owner was killed is adopted
            save(state_dir, state)  # before anything starts, so that the owner knows what is its own
        env = own_store_env(os.environ)
        if env is None:
            if state.store is None or not state.store.alive():
                state.store = start_store(state_dir)
            env = state.store.env()
        elif state.store is not None:
            state.store.stop()
            state.store = None
        save(state_dir, state)
        if state.ray is None or not running or state.env != env:
            for node in state.nodes:
                node.stop()
            if state.ray is not None:
                state.ray.stop()
            state.page_port, state.env, state.nodes = None, env, []
            state.ray = start_ray(state_dir, env=env, cpus=cpus or logical_cpus(count))
            save(state_dir, state)
        state.nodes = keep_nodes(state_dir, state.ray, state.nodes, count, env=env, cpus=cpus or state.ray.cpus)
        save(state_dir, state)
        return state


def down(state_dir: Path = STATE_DIR) -> list[str]:
    """End Ray with its jobs and the page, then the store; return what was running. Data and finished work stay."""
    ended = []
    with locked(state_dir):
        state = load(state_dir)
        # By the servers' own records: the state may be older than a server.
        for folder in [*sorted(state_dir.glob("nodes/*")), state_dir / "ray", state_dir / "store"]:
            record = Record.load(folder / "process.json")
            if record is not None and record.family():
                end(record)
                ended.append(f"node {folder.name}" if folder.parent.name == "nodes" else folder.name)
        for node in state.nodes:
            shutil.rmtree(node.temp_dir, ignore_errors=True)
        if state.ray is not None:
            shutil.rmtree(state.ray.temp_dir, ignore_errors=True)
        if state.store is not None:
            state.store.stop()
        save(state_dir, State())
    return ended


def status(state_dir: Path = STATE_DIR) -> list[str]:
    """Return a line for each server: what it is, whether it runs, where, and its process."""
    state = load(state_dir)
    lines = []
    if state.store is not None:
        where = f"{state.store.endpoint}  bucket {state.store.bucket}  pid {state.store.pid}"
        lines.append(f"store  {'up' if state.store.alive() else 'DEAD'}  {where}  ports {_ports(state.store.ports)}")
    elif "SKETCHRAY_STORE" in state.env:
        lines.append(f"store  your own  {state.env['SKETCHRAY_STORE']}")
    if state.ray is not None:
        family = state.ray.record.family()
        where = f"dashboard {state.ray.dashboard_url}  pid {state.ray.record.pid}  {len(family)} processes"
        lines.append(f"ray    {'up' if state.ray.alive() else 'DEAD'}  {where}  ports {_ports(state.ray.ports)}")
    for node in state.nodes:
        where = f"pid {node.record.pid}  {len(node.record.family())} processes  ports {_ports(node.ports)}"
        lines.append(f"node {node.number} {'up' if node.alive() else 'DEAD'}  {where}")
    if state.page_port is not None:
        lines.append(f"page   {page_state(state.page_port)}  http://{LOOPBACK}:{state.page_port}")
    return lines


def page_state(port: int) -> str:
    """Return ``ready``, ``not ready`` or ``DEAD`` for the page and API on this port."""
    try:
        answer = requests.get(f"http://{LOOPBACK}:{port}/readyz", timeout=5)
    except requests.RequestException:
        return "DEAD"
    return "ready" if answer.ok else "not ready"


def env(state_dir: Path = STATE_DIR) -> list[str]:
    """Return ``export NAME=value`` lines for clients of the running cluster; none when it is down."""
    state = load(state_dir)
    if state.ray is None or not state.ray.alive():
        return []
    variables = {**state.env, **state.ray.client_env()}
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]


def _ports(ports: dict[str, int]) -> str:
    return " ".join(f"{name}={port}" for name, port in ports.items())


def at_least_one(text: str) -> int:
    """Read a number of nodes of a command line."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1: the head is one of them")
    return number


def main(argv: list[str] | None = None) -> int:
    """Run the command; return 0, 2 after one line about what went wrong, or 3 when nothing (or not all) runs."""
    parser = argparse.ArgumentParser(prog="python -m cluster.local", description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["up", "down", "status", "env"])
    parser.add_argument("--state", type=Path, default=STATE_DIR, metavar="DIR", help="state folder (%(default)s)")
    parser.add_argument("--cpus", type=int, help="logical CPUs of each node (four a core and at least eight, divided)")
    parser.add_argument("--nodes", type=at_least_one, metavar="N", help="Ray nodes with the head (as before, or 1)")
    args = parser.parse_args(argv)
    if args.verb == "env":
        lines = env(args.state)
        print("\n".join(lines) or "no cluster runs here", file=sys.stdout if lines else sys.stderr)
        return 0 if lines else 3
    if args.verb == "down":
        print("ended:", ", ".join(down(args.state)) or "nothing was running")
        return 0
    if args.verb == "up":
        try:
            up(args.state, cpus=args.cpus, nodes=args.nodes)
        except (StartError, OSError) as error:
            print(f"up: {error}", file=sys.stderr)
            return 2
    lines = status(args.state)
    print("\n".join(lines) or "nothing runs")
    return 0 if lines and not any("DEAD" in line for line in lines) else 3


if __name__ == "__main__":
    sys.exit(main())
