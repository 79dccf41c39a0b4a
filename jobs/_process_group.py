"""The process group of a training run, over the network between the nodes.

Gloo listens on the address that the host's own name resolves to. On many a host that is 127.0.0.1 (Debian writes
127.0.1.1 into ``/etc/hosts``), where no other host reaches it, and the group is never set up. Ray knows the address by
which its nodes reach one another, so gloo is told the interface that has this address.
"""

import fcntl
import os
import socket
import struct
import sys
from typing import Any

import ray.util
from ray.train.torch import TorchConfig

GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"
# A worker that died, or whose node did, is noticed by Ray within seconds: this is for one that lives and does not
# answer, and is not merely slow. The first rank clusters alone, 17 s of a core at AMA's defaults, and on a machine with
# fifty times more to do than cores a healthy group was given up after 120 s.
PATIENCE_S = 600
SIOCGIFADDR = 0x8915  # Linux's question for an interface's IPv4 address
NAME_BYTES, REQUEST_BYTES = 16, 40  # of an interface's name, and of the whole struct ifreq, on Linux


class NodeTorchConfig(TorchConfig):
    """Ray Train's own, whose workers talk through the interface of their node's address."""

    @property
    def backend_cls(self) -> type:
        """What sets the workers up."""
        return NodeBackend


class NodeBackend(TorchConfig().backend_cls):  # type: ignore[misc]
    """Ray Train's own, with one more step before the process group is set up."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Choose every worker's interface, then set the process group up."""
        worker_group.execute(use_interface_of_node)
        super().on_start(worker_group, backend_config)


def use_interface_of_node() -> None:
    """Tell gloo the interface of this node's address, unless ``GLOO_SOCKET_IFNAME`` is set or none has it."""
    name = interface_of(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
    if name is not None:
        os.environ.setdefault(GLOO_INTERFACE, name)


def interface_of(address: str) -> str | None:
    """Return the network interface that has this IPv4 address.

    None if there is none (a public address that is translated on its way), or where the system is not Linux.
    """
    if sys.platform != "linux":
        return None
    for _, name in socket.if_nameindex():
        if _address_of(name) == address:
            return name
    return None


def _address_of(interface: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(
                probe, SIOCGIFADDR, struct.pack(f"{REQUEST_BYTES}s", interface.encode()[: NAME_BYTES - 1])
            )
        except OSError:  # it has no IPv4 address
            return None
    return socket.inet_ntoa(answer[20:24])
