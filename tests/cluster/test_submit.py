"""A command becomes a job: what it sees, what is shown and returned, how it fails and how it is stopped."""

import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ray.job_submission import JobSubmissionClient

from cluster.ray_head import RayHead
from cluster.state import State
from cluster.submit import CHECKOUT, OF_RAY, JobError, parse_result, runtime_env, submit

LOOK = """
import json, os, pathlib, shutil, sys
import jobs, sketchray
print("here and there")
print(json.dumps({
    "library": sketchray.__file__, "jobs": jobs.__file__, "python": shutil.which("python"), "cwd": os.getcwd(),
    "files": sorted(p.name for p in pathlib.Path().iterdir()), "env": dict(os.environ),
}))
"""


@pytest.fixture
def head(cluster: State) -> RayHead:
    assert cluster.ray is not None
    return cluster.ray


def client(head: RayHead) -> JobSubmissionClient:
    return JobSubmissionClient(head.dashboard_url, headers=head.headers())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in miniature, with everything that must not travel."""
    checkout = tmp_path / "checkout"
    for name in ("jobs", "lib/sketchray", ".git", ".venv", ".sketchray", "tests", "ignored"):
        (checkout / name).mkdir(parents=True)
        (checkout / name / "__init__.py").write_text("")
    (checkout / ".gitignore").write_text("ignored/\n")
    (checkout / "look.py").write_text(LOOK)
    return checkout


@pytest.mark.slow
def test_a_job_sees_its_own_copy_the_store_and_nothing_of_git_or_local_state(
    head: RayHead, cluster: State, checkout: Path, tmp_path: Path
) -> None:
    shown: list[str] = []
    log = tmp_path / "log"
    command, metadata = ["python", "look.py", "--recipe", "a-look"], {"for": "a test"}
    seen = submit(head, command, log=log, show=shown.append, checkout=checkout, metadata=metadata)
    assert "runtime_resources/py_modules_files" in seen["library"]
    assert "runtime_resources/working_dir_files" in seen["jobs"]
    assert seen["files"] == [".gitignore", "jobs", "look.py"]
    assert seen["python"] == str(Path(sys.executable).parent / "python")
    assert seen["env"].items() >= cluster.env.items()
    assert seen["env"]["OMP_NUM_THREADS"] == "1"
    assert shown == ["here and there"]
    assert "here and there" in log.read_text()
    (job,) = [job for job in client(head).list_jobs() if "look.py" in job.entrypoint]
    assert (job.metadata or {}).items() >= {"recipe": "a-look", "for": "a test"}.items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('no such word', file=sys.stderr); sys.exit(2)", "no such word"),
        ("print('all went well')", "no JSON object"),
    ],
)
def test_a_job_that_fails_is_an_error_with_its_last_line(
    head: RayHead, checkout: Path, tmp_path: Path, code: str, reason: str
) -> None:
    with pytest.raises(JobError, match=reason):
        submit(head, ["python", "-c", code], log=tmp_path / "log", show=lambda line: None, checkout=checkout)


class Dropping(JobSubmissionClient):
    """Ray's own, over a network that loses one answer of each kind."""

    dropped: set[str]

    def _drop(self, what: str) -> None:
        if what not in self.dropped:
            self.dropped.add(what)
            raise requests.ConnectionError("Remote end closed connection without response")

    def submit_job(self, **job: Any) -> str:
        name = super().submit_job(**job)
        self._drop("submit")
        return name

    def get_job_status(self, job_id: str) -> Any:
        self._drop("status")
        return super().get_job_status(job_id)

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        if "tail" in self.dropped:
            async for chunk in super().tail_job_logs(job_id):
                yield chunk
            return
        self.dropped.add("tail")
        async for chunk in super().tail_job_logs(job_id):
            yield chunk
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")


@pytest.mark.slow
def test_a_connection_that_breaks_loses_neither_the_job_nor_a_line(
    head: RayHead, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dropping, "dropped", set(), raising=False)
    monkeypatch.setattr("cluster.submit.JobSubmissionClient", Dropping)
    monkeypatch.setattr("cluster.submit.LOG_LAG_S", 2.0)
    count = "import time\nfor i in range(6): print('line', i, flush=True); time.sleep(1)\nprint('{\"lines\": 6}')"
    (checkout / "count.py").write_text(count)
    shown: list[str] = []
    found = submit(head, ["python", "count.py"], log=tmp_path / "log", show=shown.append, checkout=checkout)
    assert found == {"lines": 6}
    assert shown == [f"line {i}" for i in range(6)]
    assert Dropping.dropped == {"submit", "status", "tail"}
    assert len([job for job in client(head).list_jobs() if "count.py" in job.entrypoint]) == 1


@pytest.mark.slow
def test_ctrl_c_stops_the_job(head: RayHead, checkout: Path, tmp_path: Path) -> None:
    (checkout / "endless.py").write_text("import time; print('at work', flush=True); time.sleep(100)")

    def interrupt(line: str) -> None:
        assert line == "at work"
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()

    # A shell starts what runs in its background with SIGINT ignored; Ctrl-C is then sent to nobody.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            submit(head, ["python", "endless.py"], log=tmp_path / "log", show=interrupt, checkout=checkout)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 60
    (job,) = [job for job in client(head).list_jobs() if "endless.py" in job.entrypoint]
    assert job.status == "STOPPED"


@pytest.mark.parametrize(
    ("lines", "result"),
    [
        (['{"a": 1}'], {"a": 1}),
        (['{"a": 1}', '{"b": 2}', "(worker pid=1) late"], {"b": 2}),
        (["[1]", "3", '"text"', "{broken"], None),
        ([], None),
    ],
)
def test_the_result_is_the_last_object(lines: list[str], result: dict[str, Any] | None) -> None:
    assert parse_result(lines) == result


@pytest.mark.parametrize(
    ("line", "of_ray"),
    [
        ("train: 3/20 step 00:05<00:30 , loss 1.2", False),
        ("train: s3://bucket: no such bucket", False),
        ("\x1b[36m(RayTrainWorker pid=5574)\x1b[0m ready", True),
        ("(RayTrainWorker pid=5574, ip=10.0.0.1) ready", True),
        ("\x1b[33m(raylet)\x1b[0m WARNING: 8 workers", True),
        ("2026-11-21 02:57:41,698\tINFO streaming_executor.py:215 -- Starting", True),
        ("[2026-11-21 02:57:41,877 E 5786 5786] core_worker.cc:2465: Actor", True),
    ],
)
def test_lines_of_ray_are_told_from_the_jobs_own(line: str, of_ray: bool) -> None:
    assert bool(OF_RAY.match(line)) == of_ray


def test_the_runtime_environment_names_what_exists() -> None:
    known = runtime_env(CHECKOUT)
    assert all((Path(module) / "__init__.py").is_file() for module in known["py_modules"])
    assert {"/.git/", "/.venv/", "/.sketchray/"} <= set(known["excludes"])
