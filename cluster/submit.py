"""Submit a job to the cluster, show its log as it grows, and return the JSON object that it prints last."""

import asyncio
import contextlib
import json
import logging
import re
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from ray.job_submission import JobStatus, JobSubmissionClient

from cluster.metadata import job_metadata
from cluster.ray_head import RayHead

CHECKOUT = Path(__file__).resolve().parents[1]
RUNTIME_ENV = CHECKOUT / "cluster" / "runtime_env.yaml"
STOP_SECONDS = 15.0
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
        entrypoint=shlex.join(argv),
        runtime_env=runtime_env(checkout),
        metadata=job_metadata(argv, checkout) | (metadata or {}),
        entrypoint_num_cpus=0,
    )
    lines: list[str] = []
    try:
        asyncio.run(_follow(client, job, lines, show))
        status = _wait_ended(client, job)
    except BaseException:
        with contextlib.suppress(RuntimeError):
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


def _submitted(client: JobSubmissionClient, *, timeout: float = 60.0, **job: Any) -> str:
    """Submit, and wait for Ray's agent where it is not there yet: on a busy machine it comes up after the dashboard."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return str(client.submit_job(**job))
        except RuntimeError as error:
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


async def _follow(client: JobSubmissionClient, job: str, lines: list[str], show: Callable[[str], Any]) -> None:
    partial = ""
    async for chunk in client.tail_job_logs(job):
        *whole, partial = (partial + chunk).split("\n")
        for line in whole:
            _take(line, lines, show)
    if partial:
        _take(partial, lines, show)


def _take(line: str, lines: list[str], show: Callable[[str], Any]) -> None:
    line = line.rstrip("\r").rpartition("\r")[2]  # of a bar that redraws itself, the last state
    if not line.strip():
        return
    lines.append(line)
    if not line.startswith("{") and not OF_RAY.match(line):
        show(line)


def _wait_ended(client: JobSubmissionClient, job: str, *, timeout: float = 60.0) -> JobStatus:
    """Return a job's final status; it may lag behind the end of the log."""
    deadline = time.monotonic() + timeout
    while not (status := client.get_job_status(job)).is_terminal() and time.monotonic() < deadline:
        time.sleep(0.2)
    return status
