"""A cloud on this machine: it is told how many nodes of each type are wanted, and switches hosts on and off."""

import itertools
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

from tests.cluster.hosts.lan import Host
from tests.cluster.hosts.ray_hosts import RayHosts


class Event(NamedTuple):
    """A host came or went: when (seconds of the monotonic clock), its name, its type."""

    at: float
    what: str
    host: str
    type: str


class Cloud:
    """Answers on this machine's address in the hosts' network, one request after the other.

    Args:
        ray: the cluster whose nodes the hosts become.
        types: logical resources of each type of node.
    """

    def __init__(self, ray: RayHosts, types: Mapping[str, Mapping[str, float]]) -> None:
        self.nodes: dict[str, tuple[str, Host]] = {}
        self.events: list[Event] = []
        self._ray, self._types = ray, types
        self._numbers = itertools.count(1)
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(cloud.described())

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                cloud.change(asked["wanted"], asked["gone"])
                self._answer({})

            def _answer(self, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer((ray.net.address, 0), Handler)
        self.url = f"http://{ray.net.address}:{self._server.server_port}"
        # A host ends with the thread that started it: this one goes on for as long as there is the cloud.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def described(self) -> dict[str, dict[str, str]]:
        """Return all nodes as Ray's provider describes them; a host that was lost is none any more."""
        for name, (kind, host) in list(self.nodes.items()):
            if host.inside.ended():
                self._note("lost", name, kind)
        head = {"kind": "head", "type": "head", "ip": self._ray.host.address, "status": "up-to-date"}
        workers = {
            name: {"kind": "worker", "type": kind, "ip": host.address, "status": self._status(host)}
            for name, (kind, host) in self.nodes.items()
        }
        return {self._ray.host.name: head, **workers}

    def change(self, wanted: Mapping[str, int], gone: list[str]) -> None:
        """Switch the hosts `gone` off, and more on until there are as many of each type as wanted."""
        for name in gone:
            if name in self.nodes:
                kind, host = self.nodes[name]
                host.kill()
                self._note("went", name, kind)
        for kind, count in wanted.items():
            have = sum(known == kind for known, _ in self.nodes.values())
            for _ in range(count - have):
                name = f"{kind}{next(self._numbers)}"
                self.nodes[name] = (kind, self._ray.join(name, self._types[kind]))
                self.events.append(Event(time.monotonic(), "came", name, kind))

    def end(self) -> None:
        """Answer no more; the hosts end with their network."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _status(self, host: Host) -> str:
        """Return what the autoscaler is told; of a node that is still starting it expects to hear nothing."""
        return "up-to-date" if self._ray.has_joined(host) else "starting Ray"

    def _note(self, what: str, name: str, kind: str) -> None:
        del self.nodes[name]
        self.events.append(Event(time.monotonic(), what, name, kind))
