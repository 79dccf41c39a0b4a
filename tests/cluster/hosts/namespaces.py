"""A host is a process: the first of its own network, mounts, name and process ids.

Everything that runs on the host has its process id below that first process, and the kernel ends it when the first one
ends; its network goes with it. The first process ends with the thread that started it, however that ends. So nothing
has to be cleaned up by name, and nothing can be left behind.
"""

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "hostname")
OWN = ("--net", "--mount", "--uts", "--pid")
TRIAL = """
ip link add name trial0 type bridge && ip link add name trial1 type veth peer name trial2
hostname trial && mount -t tmpfs tmpfs /dev/shm
"""
# What is left by others is its child then; bash takes note of their end.
STAY = "echo ready; while :; do sleep 3600 & wait $!; done"
START_SECONDS = 20


@functools.cache
def why_not() -> str | None:
    """Return why this machine cannot have hosts of its own, None if it can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        return f"no program named {', '.join(missing)} (iproute2 and util-linux bring them)"
    trial = subprocess.run(
        ["unshare", *OWN, "--fork", "--mount-proc", "bash", "-ec", TRIAL],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return None if trial.returncode == 0 else f"no network namespaces here: {trial.stderr.strip()[-200:]}"


def ip(*arguments: str, prefix: Sequence[str] = ()) -> None:
    """Set up this machine's network, or with a prefix another one.

    Raises:
        OSError: refused; the message says why.
    """
    done = subprocess.run([*prefix, "ip", *arguments], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Namespaces:
    """A set of namespaces with a first process.

    Args:
        setup: shell lines that the first process runs before anything else is in there.
        log: what it complains about.

    Raises:
        OSError: the lines failed; the message quotes the log.
    """

    def __init__(self, setup: str, log: Path) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *OWN, "--fork", "--kill-child=KILL", "--mount-proc"]
        with log.open("ab") as errors:
            self._holder = subprocess.Popen(
                [*command, "bash", "-ec", f"{setup}\n{STAY}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "ready\n":
            self._holder.wait(START_SECONDS)
            raise OSError(f"a host did not come up: {log.read_text()[-500:]}")
        (first,) = psutil.Process(self._holder.pid).children()
        self.pid = first.pid

    def inside(self, command: Sequence[str], *, cwd: Path | None = None) -> list[str]:
        """Return the command line that runs this command in there."""
        folder = [f"--wd={cwd}"] if cwd else []
        return ["nsenter", f"--target={self.pid}", *OWN, *folder, "--", *command]

    def ip(self, *arguments: str) -> None:
        """Set up the network in there, with process ids as this machine sees them."""
        ip(*arguments, prefix=["nsenter", f"--target={self.pid}", "--net", "--"])

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: IO[Any]
    ) -> "subprocess.Popen[bytes]":
        """Start a command in there that goes on; its output goes to `log`, and Ctrl-C does not reach it."""
        return subprocess.Popen(
            self.inside(command, cwd=cwd),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def processes(self) -> list[psutil.Process]:
        """Return what runs in there, the first process included, as this machine sees it."""
        return [process for process in psutil.process_iter() if self._is_in(process)]

    def ended(self) -> bool:
        """Tell whether the first process has ended, and so all."""
        return self._holder.poll() is not None

    def end(self) -> None:
        """Kill everything in there, at once; twice does no harm."""
        if not self.ended():
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).kill()  # the kernel ends the others before this one counts as ended
        self._holder.wait(START_SECONDS)
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def _is_in(self, process: psutil.Process) -> bool:
        try:
            return Path(f"/proc/{process.pid}/ns/pid").readlink() == Path(f"/proc/{self.pid}/ns/pid").readlink()
        except OSError:  # gone meanwhile
            return False
