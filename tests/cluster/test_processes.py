"""Only recorded processes end: never one that merely has the same id, always what descends from a recorded one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cluster.processes import Record, StartError, end, retried, start, wait_ready

SLEEP = "import time; time.sleep(60)"
# A parent that starts a child in a session of its own and ends: the child can be known only by its mark.
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)"
# One that starts a child whose environment says nothing, and is then killed.
FORGETFUL = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEP!r}], env={{}}); time.sleep(60)"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def launch(code: str, folder: Path) -> Record:
    command = [sys.executable, "-c", code]
    return start(command, env=dict(os.environ), log=folder / "log", record=folder / "record", cwd=folder)


def test_an_ended_process_is_not_its_successor(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        truth = Record.of(stranger.pid, mark="nobody's", cwd=tmp_path)
        stale = truth.model_copy(update={"started": truth.started - 100})
        assert truth.process() is not None
        assert stale.process() is None
        end(stale, grace=1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_orphans_end_with_their_family(tmp_path: Path) -> None:
    record = launch(ORPHAN, tmp_path)
    deadline = time.monotonic() + 240
    while record.process() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    orphans = record.family()
    assert len(orphans) == 1
    end(record, grace=3)
    assert not psutil.pid_exists(orphans[0].pid) or orphans[0].status() == psutil.STATUS_ZOMBIE


def test_a_child_without_the_mark_is_known_by_its_session(tmp_path: Path) -> None:
    record = launch(FORGETFUL, tmp_path)
    deadline = time.monotonic() + 240
    while len(record.family()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    (child,) = [process for process in record.family() if process.pid != record.pid]
    os.kill(record.pid, signal.SIGKILL)
    end(record, grace=3)
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_deaf_to_sigterm_is_killed(tmp_path: Path) -> None:
    record = launch(STUBBORN, tmp_path)
    wait_ready(record, lambda: "deaf" in (tmp_path / "log").read_text(), what="it", log=tmp_path / "log", timeout=240)
    end(record, grace=0.6)
    assert record.process() is None


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    record = launch("raise SystemExit('no port left')", tmp_path)
    with pytest.raises(StartError, match=r"the server ended at once(.|\n)*no port left"):
        wait_ready(record, lambda: False, what="the server", log=tmp_path / "log", timeout=240)


def test_a_server_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    record = launch(SLEEP, tmp_path)
    with pytest.raises(StartError, match="not ready in 1 s"):
        wait_ready(record, lambda: False, what="the server", log=tmp_path / "log", timeout=1)
    assert record.process() is None


@pytest.mark.parametrize(("failures", "calls"), [(0, 1), (1, 2), (2, 3)])
def test_a_start_is_tried_again(failures: int, calls: int) -> None:
    asked: list[int] = []

    def start_one() -> str:
        asked.append(len(asked))
        if len(asked) <= failures:
            raise StartError(f"attempt {len(asked)}")
        return "up"

    assert retried(start_one, 3) == "up"
    assert len(asked) == calls


def test_the_last_attempt_says_why_and_what_is_no_start_is_not_tried_again() -> None:
    asked: list[int] = []

    def start_one() -> None:
        asked.append(len(asked))
        raise StartError(f"attempt {len(asked)}") if len(asked) < 4 else OSError("no disk")

    with pytest.raises(StartError, match="attempt 3"):
        retried(start_one, 3)
    with pytest.raises(OSError, match="no disk"):
        retried(start_one, 3)
    with pytest.raises(ValueError, match="not 0"):
        retried(start_one, 0)
    assert len(asked) == 4


def test_a_log_is_private(tmp_path: Path) -> None:
    end(launch(SLEEP, tmp_path), grace=3)
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0


def test_a_second_start_ends_what_the_first_left_running(tmp_path: Path) -> None:
    first, second = launch(SLEEP, tmp_path), launch(SLEEP, tmp_path)
    assert first.process() is None
    assert second.process() is not None
    assert Record.load(tmp_path / "record") == second
    end(second, grace=3)


def test_half_a_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "record").write_text('{"pid": 1, "sta')
    assert Record.load(tmp_path / "record") is None
    assert Record.load(tmp_path / "nothing") is None
