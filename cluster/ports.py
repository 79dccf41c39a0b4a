"""Free ports on loopback."""

import secrets
import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20000, 32000  # below Linux's ephemeral range, so that no outgoing connection takes one meanwhile


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT can be listened on
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int, address: str = LOOPBACK) -> bool:
    """Tell whether something accepts connections on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def free_ports(count: int, *, neighbours: Iterable[int] = ()) -> list[int]:
    """Pick distinct free ports at random, so that two clusters that start at once rarely meet.

    Args:
        count: how many.
        neighbours: offsets that must be free as well, e.g. 10000 for SeaweedFS's grpc ports.

    Raises:
        OSError: too few free ports on this machine.
    """
    offsets = (0, *neighbours)
    taken: set[int] = set()
    found: list[int] = []
    for _ in range(200 * count):
        if len(found) == count:
            return found
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        family = {port + offset for offset in offsets}
        if not family & taken and all(is_free(member) for member in family):
            found.append(port)
            taken |= family
    raise OSError(f"found {len(found)} of {count} free ports between {LOWEST} and {HIGHEST}")
