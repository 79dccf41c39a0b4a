"""Who reaches whom under the network policies, worked out by Kubernetes' rules for them."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest

Manifest = dict[str, Any]
HERE = "sketchray"


class Place(NamedTuple):
    """A pod by its namespace and labels, or an address outside."""

    labels: dict[str, str]
    namespace: str = HERE
    address: str = ""


def ray(cluster: str, kind: str) -> Place:
    return Place({"sketchray.io/cluster": cluster, "ray.io/node-type": kind})


HEAD, WORKER, ANSWERS = ray("jobs", "head"), ray("jobs", "worker"), ray("endpoint", "worker")
REDIS = Place({"app.kubernetes.io/name": "redis"})
OPERATOR = Place({"app.kubernetes.io/name": "kuberay-operator"}, "kuberay-system")
CALLERS, PROMETHEUS, STRANGER = Place({}, "ingress-nginx"), Place({}, "monitoring"), Place({}, "default")
NAMES = Place({"k8s-app": "kube-dns"}, "kube-system")
STORE, METADATA, API_SERVER = Place({}, "", "52.218.1.1"), Place({}, "", "169.254.169.254"), Place({}, "", "10.0.0.1")


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Return whether a label selector selects."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    matches = [labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()]
    for term in selector.get("matchExpressions", []):
        assert term["operator"] in ("Exists", "In")
        known = labels.get(term["key"])
        matches.append(known is not None if term["operator"] == "Exists" else known in term["values"])
    return all(matches)


def is_peer(peer: dict[str, Any], place: Place) -> bool:
    """Return whether a peer of a rule means a place."""
    if (block := peer.get("ipBlock")) and place.address:
        inside = [ip_address(place.address) in ip_network(cidr) for cidr in (block["cidr"], *block.get("except", []))]
        return inside[0] and not any(inside[1:])
    if block or place.address:
        return False
    namespace = {"kubernetes.io/metadata.name": place.namespace}
    there = selects(peer["namespaceSelector"], namespace) if "namespaceSelector" in peer else place.namespace == HERE
    return there and selects(peer.get("podSelector", {}), place.labels)


def lets(policies: list[Manifest], direction: str, pod: Place, other: Place, port: int) -> bool:
    """Return whether the policies let a pod of ours send or take."""
    if pod.namespace != HERE:
        return True
    field = "from" if direction == "Ingress" else "to"
    of_pod = [p["spec"] for p in policies if selects(p["spec"]["podSelector"], pod.labels)]
    rules = [rule for p in of_pod if direction in p["policyTypes"] for rule in p.get(direction.lower(), [])]
    chosen = any(direction in p["policyTypes"] for p in of_pod)
    return not chosen or any(
        any(is_peer(peer, other) for peer in rule[field])
        and ("ports" not in rule or port in [entry["port"] for entry in rule["ports"]])
        for rule in rules
    )


@pytest.fixture(scope="module")
def reaches(written: list[Manifest]) -> Callable[[Place, Place, int], bool]:
    policies = [manifest for manifest in written if manifest["kind"] == "NetworkPolicy"]

    def answer(source: Place, target: Place, port: int) -> bool:
        return lets(policies, "Egress", source, target, port) and lets(policies, "Ingress", target, source, port)

    return answer


NEEDED = {
    "callers": (CALLERS, ANSWERS, 8000),
    "the operator to a dashboard": (OPERATOR, HEAD, 8265),
    "the operator to the endpoint's dashboard": (OPERATOR, ray("endpoint", "head"), 8265),
    "a worker to its head": (WORKER, HEAD, 6379),
    "a worker to another": (WORKER, WORKER, 40000),
    "metrics": (PROMETHEUS, WORKER, 8080),
    "names": (WORKER, NAMES, 53),
    "the store": (WORKER, STORE, 443),
    "the store from the endpoint": (ANSWERS, STORE, 443),
    "a head to Redis": (HEAD, REDIS, 6379),
    "clearing Redis": (ray("jobs", "redis-cleanup"), REDIS, 6379),
    "the autoscaler to Kubernetes": (HEAD, API_SERVER, 6443),
}
DENIED = {
    "callers to a dashboard": (CALLERS, ray("endpoint", "head"), 8265),
    "callers to the jobs": (CALLERS, WORKER, 8000),
    "the endpoint to the jobs": (ANSWERS, HEAD, 6379),
    "the jobs to the endpoint": (WORKER, ANSWERS, 8000),
    "a stranger to the endpoint, past the ingress": (STRANGER, ANSWERS, 8000),
    "a stranger to a dashboard": (STRANGER, HEAD, 8265),
    "a stranger to Redis": (STRANGER, REDIS, 6379),
    "a worker to Redis": (WORKER, REDIS, 6379),
    "Prometheus to a dashboard": (PROMETHEUS, HEAD, 8265),
    "a worker to the node's credentials": (WORKER, METADATA, 443),
    "a worker to anything but https": (WORKER, STORE, 22),
    "a worker to Kubernetes": (WORKER, API_SERVER, 6443),
    "Redis to anywhere": (REDIS, STORE, 443),
}


@pytest.mark.parametrize("what", NEEDED)
def test_what_is_needed_passes(reaches: Callable[[Place, Place, int], bool], what: str) -> None:
    assert reaches(*NEEDED[what])


@pytest.mark.parametrize("what", DENIED)
def test_everything_else_does_not(reaches: Callable[[Place, Place, int], bool], what: str) -> None:
    assert not reaches(*DENIED[what])
