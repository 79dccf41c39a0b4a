"""With Ray's JSON encoding every line that is logged in a job is one object that names the job."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

JOB = """
import logging, ray
from jobs._cluster import connect, leave

connect()

@ray.remote(num_cpus=0)
def work():
    logging.getLogger("jobs._streams").warning("training sample left out: %s", "photos/cat/1.jpg")

ray.get(work.remote())
logging.getLogger("jobs.train").warning("said by the driver")
print(ray.get_runtime_context().get_job_id())
leave()
"""


@pytest.mark.slow
def test_lines_of_driver_and_workers_name_the_job(local_ray: None) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    environment = {**os.environ, "RAY_ADDRESS": address, "RAY_LOGGING_CONFIG_ENCODING": "JSON"}
    command = [sys.executable, "-c", JOB]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True)
    job_id = done.stdout.splitlines()[-1]
    lines = records(done.stdout + done.stderr)
    (of_driver,) = [line for line in lines if line["message"] == "said by the driver"]
    (of_worker,) = [line for line in lines if line["message"] == "training sample left out: photos/cat/1.jpg"]
    assert of_driver["job_id"] == of_worker["job_id"] == job_id
    assert of_worker["levelname"] == "WARNING"
    assert of_worker["task_name"] == "work"


def records(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects among lines, behind the name of the worker where Ray puts it in front."""
    starts = [line[line.index("{") :] for line in text.splitlines() if '{"asctime"' in line]
    return [json.loads(start) for start in starts]
