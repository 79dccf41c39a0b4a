"""The endpoint under test: the object store, Ray and ``serve/config.yaml`` as they ship, and their processes."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import psutil
import yaml
from pydantic import Field

from benchmarks.serving_made import GALLERY, Vectors, made_vectors, publish_made
from benchmarks.serving_target import replicas_below
from cluster.deploy import CONFIG, deploy
from cluster.ports import free_ports
from cluster.ray_head import RayHead, start_ray
from cluster.store_server import StoreServer, start_store
from sketchray.config import Config
from sketchray.encoders import Encoder
from sketchray.gallery import EncoderRef
from sketchray.storage import Store, open_store

MIB = 2**20


class Setting(Config):
    """What is served, and on what.

    Attributes:
        encoder: URI of the query encoder.
        rows: pictures of the made gallery.
        shards: of the gallery.
        logical_cpus: that Ray's scheduler counts.
        ray_env: variables of every process of Ray, as ``RAY_SERVE_USE_GRPC_BY_DEFAULT``.
        replicas: the least and the most of each deployment: more of them on the same cores answer no more.
        args: arguments of ``serve.app:build`` over those of the production file; blocks are merged.
    """

    encoder: str = "frozen:efficientnet_lite0@224"
    rows: int = 10_000
    shards: int = 2
    logical_cpus: int = 16
    ray_env: dict[str, str] = Field(default_factory=dict)
    replicas: tuple[int, int] = (1, 1)
    args: dict[str, Any] = Field(default_factory=dict)


def replace(args: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with others laid over them; blocks are merged, all else is replaced."""
    merged = dict(args)
    for name, value in over.items():
        known = merged.get(name)
        merged[name] = replace(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


class Server:
    """A running endpoint.

    Args:
        setting: what it serves.
        storage: its object store.
        head: its Ray.
        folder: the state of both.
        encoder: of the queries, loaded here too.
    """

    def __init__(self, setting: Setting, storage: StoreServer, head: RayHead, folder: Path, encoder: Encoder) -> None:
        self.setting, self.storage, self.head, self.encoder = setting, storage, head, encoder
        self._folder = folder
        self.port = free_ports(1)[0]
        self.versions: dict[str, Vectors] = {}

    @property
    def url(self) -> str:
        """Of the endpoint, without a slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def gallery(self) -> str:
        """The gallery that it serves."""
        return GALLERY

    @property
    def store(self) -> Store:
        """Where the gallery is."""
        return open_store(self.storage.env()["SKETCHRAY_STORE"])

    def publish(self) -> str:
        """Publish another version, with vectors of its own; return its name."""
        vectors = made_vectors(self.setting.rows, self.encoder.dim, seed=len(self.versions))
        reference = EncoderRef(uri=self.setting.encoder, fingerprint=self.encoder.fingerprint)
        version = publish_made(self.store, vectors, encoder=reference, shards=self.setting.shards)
        self.versions[version] = vectors
        return version

    def deploy(self, over: Mapping[str, Any] | None = None) -> Self:
        """Deploy the application, or deploy it anew with these arguments laid over the setting's."""
        (application,) = yaml.safe_load(CONFIG.read_text())["applications"]
        least, most = self.setting.replicas
        fixed = {"autoscaling_config": {"min_replicas": least, "max_replicas": most}}
        own = {"galleries": [GALLERY], "auth": "open", "ingress": fixed, "encoder": fixed, "shards": fixed}
        args = application["args"]
        for further in (own, self.setting.args, over or {}):
            args = replace(args, further)
        deploy(self.head, port=self.port, args=args)
        return self

    def replicas(self) -> dict[str, list[psutil.Process]]:
        """Return the processes of the replicas by deployment."""
        root = self.head.record.process()
        assert root is not None, "Ray has ended"
        return replicas_below(root)

    def least(self, deployment: str) -> int:  # noqa: ARG002 # all have as many here
        """Return how many replicas of a deployment there should be at least."""
        return self.setting.replicas[0]

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Return the processes of Ray: replicas by deployment, Serve's proxy and controller, all others as ``ray``."""
        found, replicas = defaultdict(list), self.replicas()
        known = {process.pid: name for name, members in replicas.items() for process in members}
        for process in self.head.record.family():
            try:
                title = " ".join(process.cmdline()[:1])
            except psutil.Error:
                continue
            serve = "proxy" if "ProxyActor" in title else "controller" if "ServeController" in title else "ray"
            found[known.get(process.pid, serve)].append(process)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each kind of process has taken so far."""
        return {name: sum(map(_cpu, members)) for name, members in self.processes().items()}

    def rss(self) -> dict[str, float]:
        """Return the resident memory of each kind of process, MiB."""
        return {name: sum(map(_rss, members)) / MIB for name, members in self.processes().items()}

    def lose_store(self) -> None:
        """End the object store; its data stay."""
        self.storage.stop()

    def find_store(self) -> None:
        """Start the object store again, at the same address."""
        self.storage = start_store(self._folder)


@contextmanager
def start_server(setting: Setting, encoder: Encoder) -> Iterator[Server]:
    """Start store, Ray and endpoint over a made gallery; all of it ends with the block."""
    with TemporaryDirectory(prefix="serving-") as name:
        folder = Path(name)
        storage = start_store(folder)
        try:
            os.environ.update(storage.env())  # what this process publishes goes to the same store
            head = start_ray(folder, env=storage.env() | setting.ray_env, cpus=setting.logical_cpus)
            try:
                server = Server(setting, storage, head, folder, encoder)
                server.publish()
                yield server.deploy()
            finally:
                head.stop()
        finally:
            storage.stop()


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
