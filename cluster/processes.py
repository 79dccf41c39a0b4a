"""Start processes that outlive the command that started them, know them again, and end them and nothing else.

A process id alone says little: ids are reused. So a process is recorded with its start time. All that descends from it
carries a random mark in its environment; those that overwrote that memory with a title (Ray's agents do) are known by
the session and the folder that they were started in.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydantic import BaseModel

T = TypeVar("T")

MARK = "SKETCHRAY_CLUSTER"
SAME_START_SECONDS = 2.0  # the start time is derived from the boot time, which moves a little when the clock is set


class StartError(RuntimeError):
    """A server did not come up; the message names its log file and quotes the end of it."""


class Record(BaseModel):
    """What is written down of a process: its id, start time (seconds since the epoch), mark and working folder."""

    pid: int
    started: float
    mark: str
    cwd: Path

    @classmethod
    def of(cls, pid: int, *, mark: str, cwd: Path) -> "Record":
        """Record a process that is running now."""
        return cls(pid=pid, started=psutil.Process(pid).create_time(), mark=mark, cwd=cwd)

    @classmethod
    def load(cls, path: Path) -> "Record | None":
        """Read what `start` wrote down; None if there is nothing or only half of it."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None

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
        """Return the process, its descendants, and those descendants whose parents are gone."""
        root = self.process()
        roots = [root] if root else []
        roots += [process for process in psutil.process_iter() if self._is_mine(process)]
        found: dict[int, psutil.Process] = {}
        for member in roots:
            found[member.pid] = member
            try:
                found.update((child.pid, child) for child in member.children(recursive=True))
            except psutil.NoSuchProcess:
                continue
        return [process for process in found.values() if process.pid != os.getpid()]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            if process.environ().get(MARK) == self.mark:
                return True
            same_session = os.getsid(process.pid) == self.pid
            return same_session and Path(process.cwd()) == self.cwd and process.create_time() >= self.started
        except (psutil.Error, OSError):
            return False  # another user's, or gone meanwhile


def start(command: Sequence[str], *, env: Mapping[str, str], log: Path, record: Path, cwd: Path) -> Record:
    """Start a server in a session of its own, so that Ctrl-C in our terminal does not reach it.

    Args:
        command: the program and its arguments.
        env: its whole environment; a new mark is added.
        log: its output is appended here, readable for the user only.
        record: the process is written down here at once; what an older record there still names is ended first.
        cwd: a folder that nobody else works in.
    """
    if left_over := Record.load(record):
        end(left_over)
    log.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(16)
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
    started = Record.of(process.pid, mark=mark, cwd=cwd.resolve())
    record.write_text(started.model_dump_json())
    return started


def wait_ready(record: Record, ready: Callable[[], Any], *, what: str, log: Path, timeout: float) -> None:
    """Wait until `ready` returns something true.

    Raises:
        StartError: the process ended, or was not ready in `timeout` seconds; it is ended then.
    """
    deadline = time.monotonic() + timeout
    try:
        while time.monotonic() < deadline and record.process() is not None:
            if ready():
                return
            time.sleep(0.2)
        reason = f"was not ready in {timeout:.0f} s" if record.process() else "ended at once"
    except BaseException:  # Ctrl-C, above all
        end(record)
        raise
    end(record)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise StartError(f"{what} {reason}; the end of {log}:\n{tail}")


def retried(start_one: Callable[[], T], attempts: int) -> T:
    """Return what `start_one` returns, called again when it raises StartError: `attempts` times in all.

    Somebody may take a port between the choice and the start, for one.

    Raises:
        StartError: that of the last attempt.
        ValueError: no attempt is allowed.
    """
    if attempts < 1:
        raise ValueError(f"attempts must be 1 or more, not {attempts}")
    for _ in range(attempts - 1):
        with suppress(StartError):
            return start_one()
    return start_one()


def end(record: Record, *, grace: float = 15.0) -> None:
    """End the recorded process politely, give its descendants time to follow, then kill what is left."""
    family = record.family()
    root = record.process()
    if root is not None:
        _signal([root], kill=False)
        _wait([root], grace)
    left = [process for process in {*family, *record.family()} if process.is_running()]
    _, left = _wait(left, min(2.0, grace / 3))
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
