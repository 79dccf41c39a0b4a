"""Debian's Prometheus with our files: it loads them, finds Ray's nodes, and sees what a job of ours records.

``apt-get install prometheus`` brings it, with promtool; `.ci/run` does so.
"""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from ray.job_submission import JobSubmissionClient

from cluster.ports import LOOPBACK, free_ports
from cluster.ray_head import RayHead
from cluster.state import State

FILES = Path(__file__).resolve().parents[2] / "cluster" / "monitoring" / "prometheus"
TOLD_IN_S = 240  # Ray's agents look at their processes every ten seconds
Query = Callable[[str], Any]

# As an ingress replica would, but for a request a second.
RECORDS = """
import time, ray
from serve.metrics import REQUESTS, REQUEST_MS
ray.init()
for _ in range(120):
    REQUESTS.add("/v1/search", "200")
    REQUEST_MS.observe(12.0, "/v1/search")
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def installed() -> Callable[[str], str]:
    """Give a function that finds a program, or skips: `.ci/run` installs it where there is a Debian to ask."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"no program {program}: apt-get install prometheus")
        return path

    return find


@pytest.mark.parametrize(("what", "name"), [("rules", "rules.yml"), ("config", "prometheus.yml")])
def test_promtool_accepts_our_files(installed: Callable[[str], str], what: str, name: str) -> None:
    command = [installed("promtool"), "check", what, str(FILES / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture
def head(cluster: State) -> RayHead:
    assert cluster.ray is not None
    return cluster.ray


@pytest.fixture
def recording(head: RayHead) -> Iterator[None]:
    """A job that records what the endpoint records."""
    client = JobSubmissionClient(head.dashboard_url, headers=head.headers())
    job = client.submit_job(entrypoint=shlex.join(["python", "-c", RECORDS]), entrypoint_num_cpus=0)
    yield
    client.stop_job(job)


@pytest.fixture
def prometheus(installed: Callable[[str], str], head: RayHead, tmp_path: Path) -> Iterator[Query]:
    """Start Prometheus with our files, in a hurry, for Ray's folder of this cluster; give what asks its API."""
    program = installed("prometheus")
    for path in FILES.glob("*.yml"):
        text = path.read_text().replace("/tmp/ray/", f"{head.temp_dir}/")
        (tmp_path / path.name).write_text(re.sub(r"interval: (15|30)s", "interval: 1s", text))
    (port,) = free_ports(1)
    command = [program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    log = tmp_path / "log"
    with log.open("w") as file:
        running = subprocess.Popen([*command, f"--web.listen-address={LOOPBACK}:{port}"], stdout=file, stderr=file)

    def ask(path: str) -> Any:
        answer = httpx.get(f"http://{LOOPBACK}:{port}/api/v1/{path}", timeout=240).raise_for_status().json()
        assert answer["status"] == "success"
        return answer["data"]

    try:
        wait(lambda: httpx.get(f"http://{LOOPBACK}:{port}/-/ready", timeout=240).is_success)
        yield ask
    finally:
        running.terminate()
        running.wait(timeout=240)


def wait(look: Callable[[], Any]) -> Any:
    """Return what a look finds, once it finds something."""
    deadline = time.monotonic() + TOLD_IN_S
    while True:
        try:
            if found := look():
                return found
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "nothing was found in time"
        time.sleep(0.5)


@pytest.mark.slow
def test_it_finds_rays_nodes_sees_our_metrics_and_keeps_our_rules(recording: None, prometheus: Query) -> None:
    series = 'ray_sketchray_requests_total{path="/v1/search",status="200",job="ray"}'
    (counted,) = wait(lambda: prometheus(f"query?query={series}")["result"])
    assert float(counted["value"][1]) >= 1
    targets = prometheus("targets")["activeTargets"]
    assert {target["scrapePool"] for target in targets} == {"ray"}
    up = {target["labels"]["instance"] for target in targets if target["health"] == "up"}
    assert counted["metric"]["instance"] in up
    (rate,) = wait(lambda: prometheus('query?query=sketchray:requests:rate5m{path="/v1/search"} > 0')["result"])
    assert rate["metric"]["status"] == "200"
    ours = yaml.safe_load((FILES / "rules.yml").read_text())["groups"]
    kept = {rule["name"]: rule for group in prometheus("rules")["groups"] for rule in group["rules"]}
    assert kept.keys() == {rule.get("record") or rule["alert"] for group in ours for rule in group["rules"]}
    assert [name for name, rule in kept.items() if rule.get("lastError")] == []
    assert kept["SketchrayUnseen"]["state"] == "inactive"
