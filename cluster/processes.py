"""Start processes that outlive the command that started them, know them again, and end them and nothing else.

A process id alone says little: ids are reused. So a process is recorded with its start time, and all that descends from
it carries a random mark in its environment.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel

MARK = "SKETCHRAY_CLUSTER"
SAME_START_SECONDS = 2.0  # the start time is derived from the boot time, which moves a little when the clock is set


class StartError(RuntimeError):
    """A server did not come up; the message names its log file and quotes the end of it."""


class Record(BaseModel):
    """What is written down of a process: its id, its start time (seconds since the epoch), the mark it carries."""

    pid: int
    started: float
    mark: str

    @classmethod
    def of(cls, pid: int, mark: str) -> "Record":
        """Record a process that is running now."""
        return cls(pid=pid, started=psutil.Process(pid).create_time(), mark=mark)

    def process(self) -> psutil.Process | None:
        """Return the recorded process, or None when it has ended (even if another one has its id now)."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if abs(process.create_time() - self.started) < SAME_START_SECONDS else None
        except psutil.NoSuchProcess:
            return None

    def family(self) -> list[psutil.Process]:
        """Return the process, its descendants, and whatever carries its mark though its parents are gone."""
        root = self.process()
        roots = [root] if root else []
        roots += [process for process in psutil.process_iter() if _carries(process, self.mark)]
        found: dict[int, psutil.Process] = {}
        for member in roots:
            found[member.pid] = member
            try:
                found.update((child.pid, child) for child in member.children(recursive=True))
            except psutil.NoSuchProcess:
                continue
        return [process for process in found.values() if process.pid != os.getpid()]


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False  # another user's, or gone meanwhile


def start(command: Sequence[str], *, env: Mapping[str, str], log: Path, mark: str, cwd: Path) -> Record:
    """Start a server in a session of its own, so that Ctrl-C in our terminal does not reach it, and record it.

    Its output is appended to `log`, which only the user can read.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(
            command,
            env={**env, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
        )
    return Record.of(process.pid, mark)


def wait_ready(record: Record, ready: Callable[[], Any], *, what: str, log: Path, timeout: float) -> None:
    """Wait until `ready` returns something true.

    Raises:
        StartError: the process ended, or was not ready in `timeout` seconds; it is ended then.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if record.process() is None:
            break
        if ready():
            return
        time.sleep(0.2)
    reason = f"was not ready in {timeout:.0f} s" if record.process() else "ended at once"
    end(record)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise StartError(f"{what} {reason}; the end of {log}:\n{tail}")


def end(record: Record, *, grace: float = 15.0) -> None:
    """End the recorded process politely, give its descendants time to follow, then kill what is left."""
    family = record.family()
    root = record.process()
    if root is not None:
        _signal([root], kill=False)
        _wait([root], grace)
    left = [process for process in {*family, *record.family()} if process.is_running()]
    _, left = _wait(left, grace / 3)
    _signal(left, kill=False)
    _, left = _wait(left, grace / 3)
    _signal(left, kill=True)
    _wait(left, grace / 3)


def _signal(processes: Iterable[psutil.Process], *, kill: bool) -> None:
    for process in processes:
        try:
            if kill:
                process.kill()
            else:
                process.terminate()
        except psutil.NoSuchProcess:
            continue


def _wait(processes: Sequence[psutil.Process], seconds: float) -> tuple[list[psutil.Process], list[psutil.Process]]:
    gone, alive = psutil.wait_procs(processes, timeout=seconds)
    return gone, [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
