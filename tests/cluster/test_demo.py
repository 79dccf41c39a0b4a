"""The demo on a miniature dataset: the whole road, again from what is done, and Ctrl-C wherever it is."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from cluster.local import down, status
from cluster.ports import answers, free_ports
from cluster.processes import Record
from cluster.submit import CHECKOUT

pytestmark = pytest.mark.slow

RECIPE = """
train:
  encoder: {backbone: tiny-test, image_size: 32, dim: 8}
  steps: 4
  steps_per_epoch: 4
  checkpoint_every: 4
  sketch_batch: 8
  photo_batch: 8
  prepare_per_class: 4
  resources: {workers: 1}
"""


class Demo:
    """One run of the command in a session of its own, and every process that it starts."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.folder, self.port = folder, port
        self.log = folder / f"demo-{time.monotonic_ns()}.log"
        environment = {**os.environ, "PORT": str(port)}
        for name in ("SKETCHRAY_STORE", "DISPLAY", "WAYLAND_DISPLAY"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cluster.demo", "--state", str(folder / "state"), "--cpus", "8", *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_for(self, text: str, seconds: float = 600) -> str:
        """Wait until the demo prints a text; return everything that it printed."""
        deadline = time.monotonic() + seconds
        while text not in (said := self.log.read_text()) and time.monotonic() < deadline:
            assert self.process.poll() is None, said
            time.sleep(0.1)
        assert text in said, said
        return said

    def servers(self) -> list[psutil.Process]:
        """Return every process of the object store and of Ray."""
        records = [Record.load(path) for path in (self.folder / "state").glob("*/process.json")]
        return [process for record in records if record for process in record.family()]

    def end(self, number: signal.Signals, seconds: float = 300) -> int:
        """Send a signal to the demo alone; return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe; the demos of this module share the state folder in it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "mini.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def start(folder: Path, mini_root: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos on the miniature dataset; ends what a failed test left."""
    started: list[Demo] = []

    def start(*arguments: str, port: int | None = None) -> Demo:
        options = ["--recipe", str(folder / "mini.yaml"), "--data", str(mini_root)]
        started.append(Demo(folder, port or free_ports(1)[0], *options, *arguments))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()
    down(folder / "state")


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that have not ended."""
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def test_the_whole_road_then_again_from_what_is_done(start: Callable[..., Demo], folder: Path) -> None:
    demo = start()
    assert "done before" not in demo.wait_for("Draw at")
    ready = requests.get(f"http://127.0.0.1:{demo.port}/readyz", timeout=240)
    assert ready.status_code == 200
    assert requests.get(f"http://127.0.0.1:{demo.port}/", timeout=240).status_code == 200
    assert any(line.startswith("page   ready") for line in status(folder / "state"))
    twin = start(port=demo.port)
    assert twin.process.wait(300) == 2
    assert "demo: another one runs already" in twin.log.read_text()
    servers = demo.servers()
    assert len(servers) > 10
    assert demo.end(signal.SIGINT) == 0
    assert running(servers) == []
    assert not answers(demo.port)

    again = start()
    said = again.wait_for("Draw at")
    assert re.findall(r"(\w+) .*done before", said) == ["upload", "train", "evaluate", "index"]
    assert requests.get(f"http://127.0.0.1:{again.port}/readyz", timeout=240).json() == ready.json()
    servers = again.servers()
    assert again.end(signal.SIGTERM) == 0
    assert running(servers) == []


@pytest.mark.parametrize("moment", ["starting", pytest.param("== train", marks=pytest.mark.full), "train: 0/"])
def test_ctrl_c_at_any_time_leaves_nothing_running(start: Callable[..., Demo], moment: str) -> None:
    demo = start("steps=1000")
    if moment == "starting":
        deadline = time.monotonic() + 240
        while not demo.servers() and time.monotonic() < deadline:
            time.sleep(0.05)
    else:
        demo.wait_for(moment)
    servers = demo.servers()
    assert servers
    assert demo.end(signal.SIGINT) == 130
    assert running([*servers, *demo.servers()]) == []


def test_a_stage_that_fails_ends_the_demo_with_one_line(start: Callable[..., Demo]) -> None:
    demo = start("stepz=3")
    assert demo.process.wait(600) == 2
    last = demo.log.read_text().splitlines()[-1]
    assert last.startswith("demo: train: unknown key stepz; did you mean steps?")
    assert running(demo.servers()) == []


def test_a_taken_port_is_told_before_anything_starts(start: Callable[..., Demo]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = start(port=taken.getsockname()[1])
        assert demo.process.wait(120) == 2
    assert "is taken; name another one" in demo.log.read_text()
    assert demo.servers() == []
