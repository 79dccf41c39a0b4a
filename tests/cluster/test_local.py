"""``up``, ``down`` and ``status`` on a real machine, beside another cluster that must not notice."""

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from benchmarks.serving_target import wait_for
from cluster import ray_node
from cluster.local import down, env, main, status, up
from cluster.processes import Record, start
from cluster.ray_node import start_nodes
from cluster.state import State, load, save

pytestmark = pytest.mark.slow


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """The folder of a cluster that ends with the test, however that ends."""
    yield tmp_path
    down(tmp_path)


def test_up_again_changes_nothing(cluster: State, cluster_dir: Path) -> None:
    assert up(cluster_dir) == cluster
    assert not any("DEAD" in line for line in status(cluster_dir))


def test_the_dashboard_asks_for_the_token(cluster: State) -> None:
    assert cluster.ray is not None
    url = f"{cluster.ray.dashboard_url}/api/jobs/"
    assert requests.get(url, timeout=240).status_code == 401
    assert requests.get(url, headers={"Authorization": "Bearer wrong"}, timeout=240).status_code == 403
    assert requests.get(url, headers=cluster.ray.headers(), timeout=240).status_code == 200


def test_everything_listens_on_loopback_only(cluster: State) -> None:
    assert cluster.ray is not None
    listening = [
        (process.name(), connection.laddr)
        for process in cluster.ray.record.family()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {port for _, (_, port) in listening} >= {cluster.ray.ports["gcs"], cluster.ray.ports["dashboard"]}
    assert [entry for entry in listening if not entry[1].ip.removeprefix("::ffff:").startswith("127.")] == []


def test_secrets_are_the_users_own(cluster: State, cluster_dir: Path) -> None:
    for name in ("cluster.json", "ray/token", "store/credentials.json"):
        assert stat.S_IMODE((cluster_dir / name).stat().st_mode) == 0o600, name
    assert any(line.startswith("export RAY_AUTH_TOKEN_PATH=") for line in env(cluster_dir))


def test_a_second_cluster_comes_is_killed_repaired_and_goes_beside_the_first(
    cluster: State, state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--state", str(state_dir), "--cpus", "2"]
    assert main(["up", *arguments]) == 0
    first = load(state_dir)
    assert first.ray is not None
    assert first.store is not None
    for killed in (first.ray.record, first.store.record):
        os.kill(killed.pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(killed.pid)] if psutil.pid_exists(killed.pid) else [], timeout=10)
    assert main(["status", *arguments]) == 3
    assert capsys.readouterr().out.count("DEAD") == 2
    repaired = up(state_dir, cpus=2)
    assert repaired.ray is not None
    assert repaired.store is not None
    assert repaired.ray.record != first.ray.record
    assert not first.ray.temp_dir.exists()
    family = [*repaired.ray.record.family(), *repaired.store.record.family()]
    assert len(family) > 5
    assert down(state_dir) == ["ray", "store"]
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert not repaired.ray.temp_dir.exists()
    assert down(state_dir) == []
    assert main(["status", *arguments]) == 3
    assert cluster.ray is not None
    assert cluster.store is not None
    assert cluster.ray.alive()
    assert cluster.store.alive()


def test_state_after_a_reboot_ends_nobody(tmp_path: Path, cluster: State) -> None:
    """Process ids of the last boot belong to others now: here, to this very test and to the running cluster."""
    assert cluster.ray is not None
    ray = Record(pid=cluster.ray.record.pid, started=1.0, mark="of the last boot", cwd=tmp_path)
    test = Record(pid=os.getpid(), started=1.0, mark="of the last boot", cwd=tmp_path)
    save(tmp_path, State(ray=cluster.ray.model_copy(update={"record": test, "temp_dir": tmp_path / "ray" / "temp"})))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "process.json").write_text(ray.model_dump_json())
    assert any("DEAD" in line for line in status(tmp_path))
    assert down(tmp_path) == []
    assert cluster.ray.alive()


def test_ones_own_store_is_used_and_none_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKETCHRAY_STORE", f"file://{tmp_path / 'store'}")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    state = up(tmp_path / "state", cpus=1)
    try:
        assert state.store is None
        assert state.env.items() >= {"SKETCHRAY_STORE": f"file://{tmp_path / 'store'}", "AWS_PROFILE": "mine"}.items()
    finally:
        down(tmp_path / "state")


def test_nodes_come_one_of_them_is_killed_and_comes_back_and_all_end_with_the_cluster(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vain = iter([["false"]])  # the node's first start, as if somebody had taken a port of it
    monkeypatch.setattr(ray_node, "start", lambda command, **where: start(next(vain, command), **where))
    arguments = ["--state", str(state_dir), "--cpus", "1", "--nodes"]
    assert main(["up", *arguments, "2"]) == 0
    assert list(vain) == []
    first = load(state_dir)
    assert first.ray is not None
    assert [node.number for node in first.nodes] == [2]
    assert logical_cpus_of(first) == [1, 1]
    killed = first.nodes[0].record
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: killed.process() is None, what="the end of the killed node", patience_s=240)
    assert main(["status", *arguments, "2"]) == 3
    repaired = up(state_dir, cpus=1)
    assert repaired.ray == first.ray
    assert [node.number for node in repaired.nodes] == [2]
    assert repaired.nodes[0].record != killed
    assert not first.nodes[0].temp_dir.exists()
    family = [*repaired.nodes[0].record.family(), *repaired.ray.record.family()]
    assert up(state_dir, cpus=1, nodes=1).nodes == []
    assert not repaired.nodes[0].alive()
    assert down(state_dir)[0] == "ray"
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.full
def test_a_node_that_takes_longer_than_ray_waits_by_itself_joins(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = up(state_dir, cpus=1)
    assert state.ray is not None
    held_up: list[threading.Thread] = []

    def start_slowly(*command: Any, **where: Any) -> Record:
        record = start(*command, **where)
        held_up.append(threading.Thread(target=hold_up, args=(record,), kwargs={"name": "raylet", "seconds": 40}))
        held_up[-1].start()
        return record

    monkeypatch.setattr(ray_node, "start", start_slowly)
    (node,) = start_nodes(state_dir, state.ray, [2], env=state.env, cpus=1, attempts=1)
    held_up[0].join()
    assert node.alive()
    node.stop()


def hold_up(record: Record, *, name: str, seconds: float) -> None:
    """Stop the first process of that name among those of a record for a while."""
    named: list[psutil.Process] = []

    def is_there() -> bool:
        named[:] = [process for process in record.family() if process.name() == name]
        return named != []

    wait_for(is_there, what=name, patience_s=240)
    named[0].suspend()
    time.sleep(seconds)
    named[0].resume()


def logical_cpus_of(state: State) -> list[float]:
    """Return what each living node has, by the head's own account."""
    assert state.ray is not None
    url = f"{state.ray.dashboard_url}/api/v0/nodes"
    answer = requests.get(url, params={"detail": "1"}, headers=state.ray.headers(), timeout=240)
    nodes = answer.json()["data"]["result"]["result"]
    return [node["resources_total"]["CPU"] for node in nodes if node["state"] == "ALIVE"]
