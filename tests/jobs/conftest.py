"""One local Ray for the tests of this room, and the index job run in a process of its own."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sketchray.storage import Store, open_store

Job = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One local Ray for the jobs' tests: more logical CPUs than cores, as the demo's."""
    import ray

    ray.init(address="local", num_cpus=8, object_store_memory=300 * 2**20, logging_level=logging.WARNING)
    yield
    ray.shutdown()


@pytest.fixture
def index_job(local_ray: None) -> Iterator[Job]:
    """Give ``index_job(verb, "key=value", ...)``: a process on the tests' Ray, as a submitted job would be.

    Its workers get the ``AWS_*`` variables that it has: those of the tests' Ray are from before the object store. One
    that has not ended with its test is killed.
    """
    import ray

    address = ray.get_runtime_context().gcs_address
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        env = {**os.environ, "RAY_ADDRESS": address, **environment}
        shared = {name: value for name, value in env.items() if name.startswith("AWS_")}
        env["RAY_JOB_CONFIG_JSON_ENV_VAR"] = json.dumps({"runtime_env": {"env_vars": shared}})
        command = [sys.executable, "-m", "jobs.index", *arguments]
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            job = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        finally:
            signal.signal(signal.SIGINT, inherited)
        started.append(job)
        return job

    yield start
    for job in started:
        with job:
            job.kill()


@pytest.fixture
def index_result(index_job: Job) -> Callable[..., Any]:
    """Give ``index_result(verb, "key=value", ..., status=0)``: what such a process prints last, and its complaint."""

    def run(*arguments: str, status: int = 0, **environment: str) -> Any:
        job = index_job(*arguments, **environment)
        output, errors = job.communicate(timeout=600)
        assert job.returncode == status, errors
        return json.loads(output.splitlines()[-1]) if output else errors.strip().splitlines()[-1]

    return run


@pytest.fixture
def pictures(mini_root: Path, tmp_path: Path) -> Store:
    """A copy of the miniature dataset's 54 pictures that a test may damage: six classes of eight, six of no class."""
    copy, original = open_store(str(tmp_path / "source")), open_store(str(mini_root))
    for prefix in ("photos/", "gallery/"):
        for entry in original.list(prefix):
            copy.write(entry.key, original.read(entry.key))
    return copy
