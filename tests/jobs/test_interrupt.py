"""Ctrl-C ends a job, whatever it tears in two."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Ctrl-C comes between any two instructions, also where a lock has been taken and what gives it back not been reached.
# Ray's thread that prints the workers' lines then waits for it, and what leaves Ray waits for the thread.
TORN = """
import sys, threading
import ray
from jobs import _cli
from jobs._cluster import connect
from sketchray.config import Config

class Torn:
    def __init__(self):
        self.lock, self.waited_for = threading.Lock(), threading.Event()
        self.lock.acquire()

    def write(self, text):
        self.waited_for.set()
        self.lock.acquire()

    def flush(self):
        pass

def work(config):
    connect()
    sys.stdout = Torn()
    ray.get(ray.remote(num_cpus=0)(lambda: print("a line")).remote())
    sys.stdout.waited_for.wait()
    print("held", file=sys.__stdout__, flush=True)
    threading.Event().wait()

_cli.LEAVE_WITHIN_S = 2.0
_cli.run_verb("torn", Config, work, doc=None, argv=[])
"""


def test_a_lock_that_is_left_held_does_not_keep_the_job() -> None:
    command, environment = [sys.executable, "-c", TORN], {**os.environ}
    environment.pop("RAY_ADDRESS", None)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as job:
        try:
            assert job.stdout is not None
            assert job.stdout.readline() == "held\n"
            job.send_signal(signal.SIGINT)
            _, errors = job.communicate(timeout=300)
        finally:
            job.kill()
    assert job.returncode == 130, errors
    assert errors.splitlines()[-1] == "torn: interrupted"
