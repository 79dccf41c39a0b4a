"""Ray's autoscaler asks this for nodes; it asks the cloud, as the provider of any real one does."""

from typing import Any

import requests
from ray.autoscaler.batching_node_provider import BatchingNodeProvider, NodeData, ScaleRequest

SECONDS = 60


class HostsProvider(BatchingNodeProvider):
    """Nodes of the `Cloud` whose address the cluster's file has as ``provider.cloud``."""

    def get_node_data(self) -> dict[str, Any]:
        """Return the nodes that there are, by name."""
        answer = requests.get(self.provider_config["cloud"], timeout=SECONDS)
        answer.raise_for_status()
        return {name: NodeData(**node) for name, node in answer.json().items()}

    def submit_scale_request(self, scale_request: ScaleRequest) -> None:
        """Tell how many nodes of each type are wanted, and which go."""
        wanted: dict[str, Any] = {
            "wanted": dict(scale_request.desired_num_workers),
            "gone": sorted(scale_request.workers_to_delete),
        }
        requests.post(self.provider_config["cloud"], json=wanted, timeout=SECONDS).raise_for_status()
