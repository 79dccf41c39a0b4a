"""Which host a process of the cluster was on, by what Ray remembers of actors and nodes, dead ones included."""

from typing import Any

import requests

from cluster.ray_head import RayHead


def hosts_of(head: RayHead, class_name: str, *, alive: bool = False) -> list[str]:
    """Return the addresses of the hosts that had actors of a class, or have them now; one for each actor.

    Args:
        head: the cluster.
        class_name: a part of the class's name.
        alive: only of those that live now.
    """
    address = {node["node_id"]: str(node["node_ip"]) for node in _ask(head, "nodes")}
    return [
        address[actor["node_id"]]
        for actor in _ask(head, "actors")
        if class_name in actor["class_name"]
        and actor["node_id"] in address
        and (actor["state"] == "ALIVE" or not alive)
    ]


def hosts_of_tasks(head: RayHead, cpus: float) -> set[str]:
    """Return the addresses of the hosts that ran tasks which asked for so many logical CPUs."""
    address = {node["node_id"]: str(node["node_ip"]) for node in _ask(head, "nodes")}
    tasks = [task for task in _ask(head, "tasks") if task["type"] == "NORMAL_TASK" and task["node_id"] in address]
    return {address[task["node_id"]] for task in tasks if task["required_resources"].get("CPU") == cpus}


def nodes_alive(head: RayHead) -> list[str]:
    """Return the addresses of the nodes that Ray counts on."""
    return sorted(node["node_ip"] for node in _ask(head, "nodes") if node["state"] == "ALIVE")


def _ask(head: RayHead, what: str) -> list[dict[str, Any]]:
    url, asked = f"{head.dashboard_url}/api/v0/{what}", {"limit": "1000", "detail": "1"}
    answer = requests.get(url, params=asked, headers=head.headers(), timeout=240)
    answer.raise_for_status()
    rows: list[dict[str, Any]] = answer.json()["data"]["result"]["result"]
    return rows
