"""``ray start`` for one more node on the head's machine, over loopback: ``python -m cluster.ray_join start ...``.

Ray's own either knows this machine only (`cluster.ray_head.LOOPBACK_ONLY`) and lets no second node join, or takes every
loopback address for the network's, on which such a head does not listen.
"""

from ray._private import ray_constants, services
from ray.scripts import scripts

from cluster.ports import LOOPBACK

if __name__ == "__main__":
    services.get_node_ip_address = lambda _address=None: LOOPBACK
    ray_constants.ENABLE_RAY_CLUSTER = True  # here alone: what it starts inherits the variable as it is
    scripts.main()  # type: ignore[no-untyped-call]
