"""One Ray head on loopback: its own ports, its own folder, its own token."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import psutil
import requests
from pydantic import BaseModel

from cluster.ports import LOOPBACK, answers, free_ports
from cluster.processes import Record, end, retried, start, wait_ready

MIB = 2**20
LOGICAL_CPUS_PER_CORE = 4  # every actor asks a fraction; two trainers at a whole core each would starve the rest
# A replica's own work and its calls of others run in one event loop instead of two threads that wait for one another.
# What would block it is in pools of our own.
SERVE = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}
# How long a node, the dashboard and a proxy may take to come up. Ray's own 30, 60 and 5 s are too few on a slow machine
# that is busy.
PATIENCE = {
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
}
# Ray's own name for "this machine only": every server of the cluster then listens on loopback, on Linux too.
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
PORTS = {
    "gcs": "--port",
    "node-manager": "--node-manager-port",
    "object-manager": "--object-manager-port",
    "client": "--ray-client-server-port",
    "dashboard": "--dashboard-port",
    "agent-http": "--dashboard-agent-listen-port",
    "agent-grpc": "--dashboard-agent-grpc-port",
    "runtime-env-agent": "--runtime-env-agent-port",
    "metrics": "--metrics-export-port",
}


class RayHead(BaseModel):
    """A running head: where it answers, what its clients need, and its process."""

    ports: dict[str, int]
    token_path: Path
    temp_dir: Path
    cpus: int
    record: Record
    address: str = LOOPBACK

    @property
    def dashboard_url(self) -> str:
        """The address for jobs, Serve's REST API and the dashboard."""
        return f"http://{self.address}:{self.ports['dashboard']}"

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that the dashboard asks for."""
        return {"Authorization": f"Bearer {self.token_path.read_text().strip()}"}

    def client_env(self) -> dict[str, str]:
        """Return the variables by which ``ray``, ``serve`` and ``ray.init`` reach this cluster and no other."""
        return {
            "RAY_ADDRESS": f"{self.address}:{self.ports['gcs']}",
            "RAY_API_SERVER_ADDRESS": self.dashboard_url,
            "RAY_DASHBOARD_ADDRESS": self.dashboard_url,
            **(LOOPBACK_ONLY if self.address == LOOPBACK else {}),
            **_auth(self.token_path),
        }

    def alive(self) -> bool:
        """Tell whether the recorded process runs and its dashboard accepts connections."""
        return self.record.process() is not None and answers(self.ports["dashboard"], self.address)

    def ready(self) -> bool:
        """Tell whether the dashboard answers who has the token."""
        try:
            answer = requests.get(f"{self.dashboard_url}/api/version", headers=self.headers(), timeout=30)
        except requests.RequestException:
            return False
        return answer.ok

    def stop(self) -> None:
        """End the head, its workers and its jobs; returns when they have ended. Nothing else is touched."""
        end(self.record)
        shutil.rmtree(self.temp_dir, ignore_errors=True)


def start_ray(
    state_dir: Path, *, env: Mapping[str, str], cpus: int | None = None, timeout: float = 240.0, attempts: int = 3
) -> RayHead:
    """Start a head whose jobs and workers all see `env`.

    Args:
        state_dir: the cluster's state folder; the token and the log lie in ``<state_dir>/ray``.
        env: variables for every job and worker, e.g. those of the object store.
        cpus: logical CPUs; None for four a core.
        timeout: seconds until the dashboard must answer.
        attempts: how often to try, each time with other ports.

    Raises:
        StartError: it did not come up.
    """
    return retried(partial(_start_once, state_dir, env=env, cpus=cpus, timeout=timeout), attempts)


def _start_once(state_dir: Path, *, env: Mapping[str, str], cpus: int | None, timeout: float) -> RayHead:
    folder = state_dir.resolve() / "ray"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    token_path = _new_token(folder / "token")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    cpus = cpus or logical_cpus()
    temp_dir = new_temp_dir(folder / "temp_dir")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += [f"{option}={ports[name]}" for name, option in PORTS.items()]
    command += [f"--dashboard-host={LOOPBACK}", f"--temp-dir={temp_dir}"]
    command += [f"--num-cpus={cpus}", f"--object-store-memory={object_store_bytes()}", "--disable-usage-stats"]
    # Ray's own actors look for the dashboard, and give up where they find two clusters on one machine.
    environment = {**head_env(env, token_path), "RAY_API_SERVER_ADDRESS": f"http://{LOOPBACK}:{ports['dashboard']}"}
    log = folder / "head.log"
    record = start(command, env=environment, log=log, record=folder / "process.json", cwd=folder)
    head = RayHead(ports=ports, token_path=token_path, temp_dir=temp_dir, cpus=cpus, record=record)
    wait_ready(record, head.ready, what="Ray", log=log, timeout=timeout)
    return head


def head_env(env: Mapping[str, str], token_path: Path) -> dict[str, str]:
    """Return the whole environment of a head, which every job and worker inherits."""
    checkout = Path(__file__).resolve().parents[1]
    # RAY_ would carry settings of another cluster, the others credentials that this cluster's jobs need not see.
    foreign = ("RAY_", "AWS_", "SKETCHRAY_STORE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        # `serve deploy` takes no local working directory. Jobs bring their own copy, which comes first in their path.
        "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "lib")]),
        "PYTHONUNBUFFERED": "1",
        # Ray would give each worker as many threads as it asks logical CPUs. Who needs more sets it by name.
        **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")},
        **LOOPBACK_ONLY,
        **PATIENCE,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # there is no other node to drain to
        "GRADIO_ANALYTICS_ENABLED": "False",
        **_auth(token_path),
        **SERVE,
        **env,
    }


def logical_cpus(nodes: int = 1) -> int:
    """Return the logical CPUs of each of several nodes on this machine: four a core and at least eight, divided."""
    return max(2, max(8, LOGICAL_CPUS_PER_CORE * (os.cpu_count() or 1)) // nodes)


def object_store_bytes() -> int:
    """Return a node's object store's size: an eighth of the machine's memory, 256 MiB to 1 GiB."""
    return max(256 * MIB, min(1024 * MIB, psutil.virtual_memory().total // 8))


def _auth(token_path: Path) -> dict[str, str]:
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_path)}


def _new_token(path: Path) -> Path:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return path


def new_temp_dir(note: Path) -> Path:
    """Make Ray's folder, and remove that of a head which was killed.

    It lies not below the state folder, since the path of a socket can have some 100 bytes only; `note` says where.
    """
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)
    made = tempfile.mkdtemp(prefix="sketchray-", dir="/tmp")
    note.write_text(made)
    return Path(made)
