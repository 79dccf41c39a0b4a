"""The cluster launcher's file for hosts of this machine: the node types of ``ray_config.yaml``, another provider."""

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.submit import CHECKOUT

OWN = CHECKOUT / "ray_config.yaml"
PROVIDER = "tests.cluster.hosts.provider.HostsProvider"
# What Ray's BatchingNodeProvider asks for: nodes start by themselves, all of a type at once.
BATCHING = {"disable_node_updaters": True, "disable_launch_config_check": True, "foreground_node_launch": True}
IDLE_MINUTES = 0.25
SOON = {
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "AUTOSCALER_HEARTBEAT_TIMEOUT_S": "15",  # a node that was there and says nothing for so long is replaced
    # Ray Data and Ray Train ask for so many seconds ahead, and a worker that is killed does not take it back.
    "RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S": "20",
}


def node_types() -> dict[str, dict[str, float]]:
    """Return the logical resources of each type of worker."""
    types = yaml.safe_load(OWN.read_text())["available_node_types"]
    return {name: known["resources"] for name, known in types.items() if name != "head"}


def autoscaling_config(cloud: str) -> dict[str, Any]:
    """Return ``ray_config.yaml`` as Ray's loader completes it, with the provider swapped, and soon idle.

    Args:
        cloud: the provider's address.
    """
    from ray.autoscaler._private.util import prepare_config

    # The nodes start themselves: nothing is copied to them.
    own = yaml.safe_load(OWN.read_text()) | {"file_mounts": {}, "idle_timeout_minutes": IDLE_MINUTES}
    config: dict[str, Any] = prepare_config(own)
    return config | {"provider": {"type": "external", "module": PROVIDER, "cloud": cloud, **BATCHING}}


def write_autoscaling_config(path: Path, cloud: str) -> Path:
    """Write it where ``ray start --autoscaling-config`` reads it."""
    path.write_text(json.dumps(autoscaling_config(cloud)))
    return path
