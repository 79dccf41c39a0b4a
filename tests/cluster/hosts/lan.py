"""A network of hosts on this machine: a switch, a cable to each host, and one to this machine itself."""

import contextlib
import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.cluster.hosts.namespaces import Namespaces, ip

SHM = "1g"  # of each host's /dev/shm, which holds Ray's object store
# The host's own /tmp/ray, and a name that resolves as on a freshly installed Debian; no name server is asked.
HOST = """
hostname {name}
ip link set lo up
mount --bind {disk}/ray /tmp/ray
mount --bind {disk}/hosts /etc/hosts
mount --bind {disk}/resolv.conf /etc/resolv.conf
mount -t tmpfs -o size={shm} tmpfs /dev/shm
"""
SWITCH = "ip link add name switch type bridge\nip link set switch up\nip link set lo up"


class Host:
    """A host: its name, its address, what it keeps in ``/tmp/ray``, and what runs on it."""

    def __init__(self, name: str, address: str, disk: Path) -> None:
        self.name = name
        self.address = address
        self.disk = disk
        (disk / "ray").mkdir(parents=True)
        (disk / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        (disk / "resolv.conf").write_text("")
        self.inside = Namespaces(HOST.format(name=name, disk=disk, shm=SHM), disk / "host.log")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.inside.end()


class Lan:
    """Hosts that reach one another, and that this machine reaches, and nothing else.

    Args:
        folder: what the hosts keep.
    """

    def __init__(self, folder: Path) -> None:
        Path("/tmp/ray").mkdir(exist_ok=True)  # what each host's own is mounted over
        self._folder = folder
        self._numbers = itertools.count(11)
        self._net = free_net()
        self.switch = Namespaces(SWITCH, folder / "switch.log")
        self.hosts: list[Host] = []
        self.address = f"{self._net}.1"  # of this machine
        cable, here = f"sk{secrets.token_hex(5)}", str(os.getpid())
        self.switch.ip("link", "add", "name", "desk", "type", "veth", "peer", "name", cable, "netns", here)
        self.switch.ip("link", "set", "dev", "desk", "master", "switch", "up")
        ip("addr", "add", f"{self.address}/24", "dev", cable)
        ip("link", "set", "dev", cable, "up")

    def add(self, name: str) -> Host:
        """Switch a new host on and plug it in."""
        host = Host(name, f"{self._net}.{next(self._numbers)}", self._folder / name)
        pid = str(host.inside.pid)
        self.switch.ip("link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", pid)
        self.switch.ip("link", "set", "dev", name, "master", "switch", "up")
        host.inside.ip("addr", "add", f"{host.address}/24", "dev", "eth0")
        host.inside.ip("link", "set", "eth0", "up")
        host.inside.ip("route", "add", "default", "via", self.address)
        self.hosts.append(host)
        return host

    def cut(self, host: Host) -> None:
        """Pull the host's cable: it runs on, and nobody reaches it."""
        self.switch.ip("link", "set", "dev", host.name, "down")

    def mend(self, host: Host) -> None:
        """Plug it in again."""
        self.switch.ip("link", "set", "dev", host.name, "up")

    def end(self) -> None:
        """Switch everything off."""
        for host in self.hosts:
            host.kill()
        self.switch.end()


@contextlib.contextmanager
def lan(folder: Path) -> Iterator[Lan]:
    """Give a network of its own, and take it away with all its hosts."""
    made = Lan(folder)
    try:
        yield made
    finally:
        made.end()


def free_net() -> str:
    """Return three bytes of a private network that this machine is not in, such as ``10.77.3``."""
    addresses = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries]
    while True:
        net = f"10.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}"
        if not any(address.startswith(f"{net}.") for address in addresses):
            return net
