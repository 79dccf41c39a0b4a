"""One cluster over several hosts: who has no token stays outside, nodes come when they are needed, hosts are lost.

The head is started with the node types of ``ray_config.yaml``; Ray's own autoscaler brings the other hosts. A process
asks for nine logical CPUs and a node has sixteen, so that two of them need two hosts.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from benchmarks.serving_load import Plan, start_load
from benchmarks.serving_made import made_drawings, query_bodies
from benchmarks.serving_target import wait_for
from cluster.deploy import deploy, undeploy
from cluster.submit import CHECKOUT, submit
from cluster.upload import upload
from tests.cluster.hosts.lan import Host
from tests.cluster.hosts.namespaces import why_not
from tests.cluster.hosts.ray_hosts import GCS, SERVE
from tests.cluster.hosts.running import Running, running_hosts
from tests.cluster.hosts.watching import hosts_of, hosts_of_tasks, nodes_alive

pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
MOST_OF_A_NODE, THE_REST = 9, 8  # of 16
TRAIN = {
    "encoder": {"backbone": "tiny-test", "image_size": 32, "dim": 8},
    "steps": 4,
    "steps_per_epoch": 4,
    "checkpoint_every": 4,
    "sketch_batch": 8,
    "photo_batch": 8,
    "prepare_per_class": 2,
    "resources": {"workers": 2, "cpus": MOST_OF_A_NODE},
}
ASK_FOR_A_GPU = """
import json, ray
ray.init()
print(json.dumps({"gpus": ray.get(ray.remote(num_gpus=1)(lambda: len(ray.get_gpu_ids())).remote())}))
"""
ENDPOINT = {
    "galleries": ["shapes"],
    "auth": "open",
    "ingress": {},
    "encoder": {
        "threads": 1,
        "ray_actor_options": {"num_cpus": MOST_OF_A_NODE},
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": 2,
            "target_ongoing_requests": 2,
            "upscale_delay_s": 1,
            "look_back_period_s": 2,
            "metrics_interval_s": 0.5,
        },
    },
    "shards": {},
}
PICTURES = 48  # of the miniature dataset, below photos/


class Mini(NamedTuple):
    """The cluster, and the miniature dataset in its store."""

    hosts: Running
    source: str

    def build_gallery(self) -> dict[str, Any]:
        """Index the pictures; the actor that embeds them and a task that decodes them have no room on one node."""
        spread = {"actors": 1, "actor_cpus": MOST_OF_A_NODE, "decode_cpus": THE_REST}
        names = {"gallery": "shapes", "source": f"{self.source}/photos", "encoder": "frozen:tiny-test@32"}
        return self.hosts.job("index", **names, part_size=16, resources=spread, codebooks={"names": []})


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory, mini_root: Path) -> Iterator[Mini]:
    """A head, an object store with the dataset, and no worker yet."""
    with running_hosts(tmp_path_factory.mktemp("hosts")) as hosts:
        yield Mini(hosts, str(upload(mini_root, hosts.store.child("data/mini"))["source"]))


@pytest.fixture
def running(mini: Mini) -> Running:
    """The cluster alone."""
    return mini.hosts


def test_without_the_token_nobody_runs_code_here(running: Running) -> None:
    url = f"{running.head.dashboard_url}/api/jobs/"
    job = {"entrypoint": "touch /tmp/ray/was-here"}
    assert requests.post(url, json=job, timeout=240).status_code == 401
    assert requests.post(url, json=job, headers={"Authorization": "Bearer wrong"}, timeout=240).status_code == 403
    for page in ("api/jobs/", "api/serve/applications/", "nodes?view=summary", "logs/", "api/v0/actors"):
        assert requests.get(f"{running.head.dashboard_url}/{page}", timeout=240).status_code == 401, page
    without = {name: value for name, value in running.ray.env.items() if not name.startswith("RAY_AUTH")}
    submits = [*RAY, "job", "submit", f"--address={running.head.dashboard_url}", "--", "touch", "/tmp/ray/was-here"]
    done = subprocess.run(submits, env=without, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode != 0
    assert "Missing authentication token" in done.stderr
    assert requests.get(url, headers=running.head.headers(), timeout=240).json() == []
    assert not (running.ray.host.disk / "ray" / "was-here").exists()


def test_a_training_job_brings_two_nodes_and_trains_across_them(mini: Mini, running: Running) -> None:
    assert running.cloud.nodes == {}
    result = running.job("train", **TRAIN, data={"root": mini.source})
    assert result["status"] == "trained"
    assert result["metrics"]["step"] == TRAIN["steps"]
    assert running.store.exists(f"encoders/{result['run']}/config.json")
    came = running.events("came")
    assert came[:2] == ["cpu1", "cpu2"]  # more of them where Ray still counts what it asked for when they start
    assert {event.type for event in running.cloud.events} == {"cpu"}
    hosts = hosts_of(running.head, "RayTrainWorker")
    assert len(hosts) == len(set(hosts)) == 2
    assert running.ray.host.address not in hosts


@pytest.mark.full
def test_pictures_are_decoded_on_one_host_and_embedded_on_another(mini: Mini, running: Running) -> None:
    result = mini.build_gallery()
    assert result["status"] == "built"
    assert result["rows"] == PICTURES
    embedded = hosts_of(running.head, "MapWorker(MapBatches(Embedder)")
    assert len(set(embedded)) == 1
    assert hosts_of_tasks(running.head, THE_REST) - set(embedded)


def test_nodes_that_nobody_needs_go(running: Running) -> None:
    wait_for(lambda: not running.cloud.nodes, what="the end of idle nodes", patience_s=240)
    assert running.events("went") != []
    assert running.events("lost") == []
    wait_for(lambda: nodes_alive(running.head) == [running.head.address], what="the head to know of it", patience_s=240)


@pytest.mark.full
def test_a_host_with_another_token_does_not_join(running: Running) -> None:
    stranger = running.net.add("stranger")
    command = [*RAY, "start", f"--address={running.ray.host.address}:{GCS}", f"--node-ip-address={stranger.address}"]
    wrong = {"RAY_AUTH_TOKEN": "wrong" * 8, "RAY_AUTH_TOKEN_PATH": ""}
    done = subprocess.run(
        stranger.inside.inside(command, cwd=CHECKOUT),
        env=running.ray.env | wrong,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    stranger.kill()
    assert done.returncode != 0, done.stdout
    assert stranger.address not in nodes_alive(running.head)


@pytest.mark.full
def test_who_asks_for_a_gpu_gets_a_node_of_that_type(running: Running) -> None:
    """Ray only counts the GPU: there is none here."""
    command = ["python", "-c", ASK_FOR_A_GPU]
    assert submit(running.head, command, log=running.folder / "gpu.log") == {"gpus": 1}
    assert [event.type for event in running.cloud.events if event.what == "came"][-1] == "gpu"


@pytest.mark.full
def test_a_run_outlives_a_killed_host_and_a_cut_one(mini: Mini, running: Running) -> None:
    """The autoscaler replaces both, the silent one as well, and training goes on from its last checkpoint."""
    long = TRAIN | {"steps": 100, "checkpoint_every": 5, "seed": 1}
    known, before = running.checkpoints(), set(hosts_of(running.head, "RayTrainWorker"))
    pool = ThreadPoolExecutor(1)
    job = pool.submit(running.job, "train", **long, data={"root": mini.source})
    pool.shutdown(wait=False)  # if a check fails, the job ends with its cluster
    for lose, told in ((Host.kill, "lost"), (running.net.cut, "went")):
        wait_for(lambda known=known: running.checkpoints() > known, what="a checkpoint", patience_s=240)  # type: ignore[misc]
        workers = hosts_of(running.head, "RayTrainWorker", alive=True)
        assert len(set(workers)) == 2
        name, host = running.one_of(workers)
        lose(host)
        wait_for(lambda name=name, told=told: name in running.events(told), what="a lost host", patience_s=240)  # type: ignore[misc]
        known = running.checkpoints()
    result = job.result(timeout=900)
    assert result["status"] == "trained"
    assert result["metrics"]["step"] == long["steps"]
    assert len(set(hosts_of(running.head, "RayTrainWorker")) - before) >= 2  # both were replaced


@pytest.mark.full
def test_load_on_the_endpoint_brings_a_node_and_a_killed_host_is_replaced(mini: Mini, running: Running) -> None:
    mini.build_gallery()
    wait_for(lambda: not running.cloud.nodes, what="the end of idle nodes", patience_s=240)
    deploy(running.head, port=SERVE, args=ENDPOINT, listen="0.0.0.0")
    wait_for(lambda: len(running.cloud.nodes) == 1, what="the one node that it needs", patience_s=240)
    first = running.encoders()
    queries = query_bodies(made_drawings(16), gallery="shapes")
    url = f"http://{running.head.address}:{SERVE}/v1/search"
    with start_load(Plan(url=url, queries=queries, clients=12, seconds=900)) as load:
        wait_for(lambda: len(running.encoders()) == 2, what="a second encoder", patience_s=240)
        name, host = running.one_of(running.encoders() - first)
        host.kill()
        wait_for(lambda: host.address not in running.encoders(), what="the loss noticed", patience_s=240)
        wait_for(lambda: len(running.encoders()) == 2, what="another encoder", patience_s=240)
        done = load.stop()
    undeploy(running.head)
    assert name in running.events("lost")
    until = max(answer.began for answer in done.answers)
    assert [answer for answer in done.answers if answer.status != 200 and answer.began > until - 2] == []
    assert len(done.good) > len(done.answers) / 2
