"""Ray over hosts, brought up as an operator would: ``ray start`` on each, a token, an object store on the network."""

import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import requests

from cluster.processes import Record, retried, wait_ready
from cluster.ray_head import LOOPBACK_ONLY, MIB, RayHead, head_env
from cluster.store_server import StoreServer
from cluster.submit import CHECKOUT
from tests.cluster.hosts.lan import Host, Lan
from tests.cluster.hosts.watching import nodes_alive

GCS, DASHBOARD, SERVE = 6379, 8265, 8000
BUCKET = "sketchray"
OBJECT_STORE = 200 * MIB
START_STORE = """
import sys
from pathlib import Path
from cluster.store_server import start_store
print(start_store(Path(sys.argv[1]), bucket=sys.argv[2], address=sys.argv[3]).model_dump_json())
"""
# As a service that is started again: ``ray start`` gives up where the machine is too busy.
AGAIN = ("bash", "-c", 'until "$@"; do sleep 1; done', "again")
# A host that is lost is noticed in seconds here. Ray's own periods are made for networks that stutter.
HEALTH = {
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


class RayHosts:
    """A head that does no work, on a host of its own; workers join.

    Args:
        net: where the hosts are.
        folder: token and logs.
        env: more variables of every process of the cluster.
    """

    def __init__(self, net: Lan, folder: Path, env: Mapping[str, str]) -> None:
        self.net = net
        self.store = _start_store(net.add("store"), folder)
        self.host = net.add("head")
        self.lines: dict[str, str] = {}  # by host: how Ray was started there
        self.token = folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        # On a host of its own nobody else is to be spared.
        self.env = head_env({**HEALTH, "RAY_worker_niceness": "0", **env, **self.store.env()}, self.token)
        for name in LOOPBACK_ONLY:
            del self.env[name]

    def start_head(self, *options: str, attempts: int = 3) -> RayHead:
        """Start the head with more options of ``ray start``, and wait until it counts itself.

        Raises:
            StartError: it did not come up.
        """
        return retried(partial(self._start_head_once, *options), attempts)

    def join(self, name: str, resources: Mapping[str, float]) -> Host:
        """Switch a new host on and let it join with these logical resources, such as ``{"CPU": 16}``."""
        host = self.net.add(name)
        counts = [f"--num-{resource.lower()}s={count:g}" for resource, count in resources.items()]
        self.start_ray(host, f"--address={self.host.address}:{GCS}", *counts, before=AGAIN)
        return host

    def has_joined(self, host: Host) -> bool:
        """Tell whether ``ray start`` has said on the host that it is done."""
        return "Ray runtime started" in (host.disk / "ray.log").read_text(errors="replace")

    def end(self) -> None:
        """Take away what the store would leave in this machine's folder for temporary files."""
        self.store.stop()

    def _start_head_once(self, *options: str) -> RayHead:
        asked = ["--head", f"--port={GCS}", f"--dashboard-port={DASHBOARD}", f"--dashboard-host={self.host.address}"]
        started = self.start_ray(self.host, *asked, "--num-cpus=0", *options)
        head = RayHead(
            ports={"gcs": GCS, "dashboard": DASHBOARD},
            token_path=self.token,
            temp_dir=self.host.disk / "ray",
            cpus=0,
            record=Record.of(started.pid, mark="", cwd=CHECKOUT),
            address=self.host.address,
        )
        wait_ready(head.record, partial(_is_up, head), what="Ray", log=self.host.disk / "ray.log", timeout=240)
        return head

    def start_ray(self, host: Host, *options: str, before: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Run ``ray start`` on a host; its output goes to ``ray.log`` there."""
        command = [
            *before,
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            f"--node-ip-address={host.address}",
        ]
        command += [f"--object-store-memory={OBJECT_STORE}", "--disable-usage-stats", *options]
        self.lines[host.name] = shlex.join(["ray", *command[command.index("start") :]])
        with (host.disk / "ray.log").open("ab") as log:
            return host.inside.start(command, env=self.env, cwd=CHECKOUT, log=log)


def _is_up(head: RayHead) -> bool:
    try:
        return head.ready() and nodes_alive(head) != []
    except requests.RequestException:  # it is coming up, or has just given up
        return False


def _start_store(host: Host, folder: Path) -> StoreServer:
    command = host.inside.inside([sys.executable, "-c", START_STORE, str(folder), BUCKET, host.address], cwd=CHECKOUT)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, check=True)
    return StoreServer.model_validate_json(done.stdout)
