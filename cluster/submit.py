"""Submit a job to the cluster, show its log as it grows, and return the JSON object that it prints last."""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import requests
import yaml
from ray.job_submission import JobStatus, JobSubmissionClient

from cluster.metadata import job_metadata
from cluster.ray_head import RayHead

CHECKOUT = Path(__file__).resolve().parents[1]
RUNTIME_ENV = CHECKOUT / "cluster" / "runtime_env.yaml"
STOP_SECONDS = 15.0
LOG_LAG_S = 60.0  # by which a job's status may come after the end of its log
# A dated log record, or what a worker printed: "(RayTrainWorker pid=123) ...", the name in colour or not.
OF_RAY = re.compile(
    r"\[?\d{4}-\d\d-\d\d |(\x1b\[\d+m)?\([^)]*\bpid=\d+|(\x1b\[\d+m)?\((raylet|autoscaler)\b|Running entrypoint "
)


for _name in ("ray._private.runtime_env", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # they name every file that is left out, and each socket


class JobError(RuntimeError):
    """A submitted job did not succeed; the message is the last line that it printed."""


def submit(
    head: RayHead,
    argv: Sequence[str],
    *,
    log: Path,
    show: Callable[[str], Any] = print,
    checkout: Path = CHECKOUT,
    metadata: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run a command as a job, as ``ray job submit --working-dir . --runtime-env cluster/runtime_env.yaml`` does.

    Args:
        head: the cluster.
        argv: the command.
        log: everything that the job prints is also written here.
        show: called with each line that the job itself prints, but for its result and Ray's own log lines.
        checkout: the job's working directory.
        metadata: kept with the job by Ray, beside the verb, the recipe and the commit (`job_metadata`).

    Returns:
        The JSON object in the last line that the job printed.

    Raises:
        JobError: the job failed, was stopped, or printed no result.
        KeyboardInterrupt: the job has been stopped.
    """
    client = JobSubmissionClient(head.dashboard_url, headers=head.headers())
    job = _submitted(
        client,
        submission_id=f"sketchray-{secrets.token_hex(8)}",
        entrypoint=shlex.join(argv),
        runtime_env=runtime_env(checkout),
        metadata=job_metadata(argv, checkout) | (metadata or {}),
        entrypoint_num_cpus=0,
    )
    lines: list[str] = []
    try:
        log_of_job = _Log(lines, show)
        while True:
            asyncio.run(_follow(client, job, log_of_job))
            status = _wait_ended(client, job, timeout=LOG_LAG_S)
            if status.is_terminal():  # and otherwise it was the connection that ended
                break
        log_of_job.end()
    except BaseException:
        with contextlib.suppress(RuntimeError, requests.ConnectionError):
            client.stop_job(job)
            _wait_ended(client, job, timeout=STOP_SECONDS)
        raise
    finally:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if status != JobStatus.SUCCEEDED:
        info = client.get_job_info(job)
        said = lines[-1] if lines else info.message
        raise JobError(f"{said} (job {str(status.value).lower()}; its log: {log})")
    result = parse_result(lines)
    if result is None:
        raise JobError(f"printed no JSON object as its last line (its log: {log})")
    return result


def _submitted(client: JobSubmissionClient, *, submission_id: str, timeout: float = 300.0, **job: Any) -> str:
    """Submit, and wait for Ray's agent where it is not there yet: on a busy machine it comes up after the dashboard.

    Where the answer to a submission was lost, the job's own id tells that it had been received.
    """
    deadline, tries = time.monotonic() + timeout, 0
    while True:
        tries += 1
        try:
            return str(client.submit_job(submission_id=submission_id, **job))
        except requests.ConnectionError as error:
            if time.monotonic() > deadline:
                raise JobError(f"no answer from Ray's job server within {timeout:.0f} s: {error}") from error
        except RuntimeError as error:
            if tries > 1 and "already exists" in str(error):
                return submission_id
            if "No available agent" not in str(error):
                raise
            if time.monotonic() > deadline:
                raise JobError(f"Ray took no job within {timeout:.0f} s: it has no agent running") from error
        time.sleep(1.0)


def runtime_env(checkout: Path) -> dict[str, Any]:
    """Return ``cluster/runtime_env.yaml`` with the working directory, its paths made absolute."""
    known: dict[str, Any] = yaml.safe_load(RUNTIME_ENV.read_text())
    known["py_modules"] = [str(checkout / module) for module in known.get("py_modules", [])]
    return {**known, "working_dir": str(checkout)}


def parse_result(lines: Sequence[str]) -> dict[str, Any] | None:
    """Return the last line that is a JSON object. Workers may print a line or two after the job's own last one."""
    for line in reversed(lines[-20:]):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


class _Log:
    """A job's log as it comes, cut into lines."""

    def __init__(self, lines: list[str], show: Callable[[str], Any]) -> None:
        self._lines, self._show = lines, show
        self._partial = ""
        self.taken = 0  # characters

    def add(self, text: str) -> None:
        """Take what came next."""
        self.taken += len(text)
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            self._take(line)

    def end(self) -> None:
        """Take the last line, which may lack its end."""
        self._take(self._partial)

    def _take(self, line: str) -> None:
        line = line.rstrip("\r").rpartition("\r")[2]  # of a bar that redraws itself, the last state
        if not line.strip():
            return
        self._lines.append(line)
        if not line.startswith("{") and not OF_RAY.match(line):
            self._show(line)


async def _follow(client: JobSubmissionClient, job: str, log: _Log) -> None:
    """Take the log, which comes from its beginning each time, until it or the connection ends."""
    passed = 0
    with contextlib.suppress(aiohttp.ClientError):
        try:
            async for chunk in client.tail_job_logs(job):
                log.add(chunk[max(0, log.taken - passed) :])
                passed += len(chunk)
        except RuntimeError as error:
            if "WebSocket" not in str(error):
                raise


def _wait_ended(client: JobSubmissionClient, job: str, *, timeout: float) -> JobStatus:
    """Return a job's status, the final one if it comes within the time."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        try:
            status = client.get_job_status(job)
        except requests.ConnectionError:
            if late:
                raise
        else:
            if late or status.is_terminal():
                return status
        time.sleep(0.2)
