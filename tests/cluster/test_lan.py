"""Hosts on this machine: apart from one another, reachable, and gone with whoever made them, however that ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchmarks.serving_target import wait_for
from tests.cluster.hosts.lan import Host, Lan, lan
from tests.cluster.hosts.namespaces import why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

ROOT = Path(__file__).resolve().parents[2]
PORT = 4000
LISTEN = [sys.executable, "-c", f"import socket, time; s = socket.create_server(('', {PORT})); time.sleep(60)"]
OWNER = """
import sys, time
from pathlib import Path
from tests.cluster.hosts.lan import Lan
net = Lan(Path(sys.argv[1]))
host = net.add("kept")
host.inside.start(["sleep", "60"], env={}, cwd=Path("/"), log=open("/dev/null", "wb"))
print(net.address, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    """A network with the hosts ``one`` and ``two``, which both listen."""
    folder = tmp_path_factory.mktemp("lan")
    with lan(folder) as made, (folder / "log").open("wb") as log:
        for name in ("one", "two"):
            made.add(name).inside.start(LISTEN, env=dict(os.environ), cwd=ROOT, log=log)
        for host in made.hosts:
            wait_for(partial(reaches, host.address), what="a host that listens", patience_s=240)
        yield made


def reaches(address: str, port: int = PORT) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def says(host: Host, *command: str) -> str:
    return subprocess.run(host.inside.inside(command), capture_output=True, text=True, timeout=240, check=True).stdout


def test_hosts_have_their_own_name_disk_memory_and_processes(net: Lan) -> None:
    one, two = net.hosts
    assert says(one, "hostname") == "one\n"
    says(one, "touch", "/tmp/ray/of-one", "/dev/shm/of-one")
    assert "of-one" not in says(two, "ls", "/tmp/ray", "/dev/shm")
    assert not Path("/tmp/ray/of-one").exists()
    assert not Path("/dev/shm/of-one").exists()
    assert len([entry for entry in says(one, "ls", "/proc").split() if entry.isdigit()]) < 9
    assert says(one, "getent", "hosts", "one").split()[0] == "127.0.1.1"  # what misleads gloo


def test_a_cut_host_runs_on_and_is_reached_again_once_it_is_mended(net: Lan) -> None:
    one, two = net.hosts
    net.cut(one)
    assert not reaches(one.address)
    assert reaches(two.address)
    assert len(one.inside.processes()) > 1
    net.mend(one)
    wait_for(lambda: reaches(one.address), what="the mended host", patience_s=240)


def test_a_killed_host_takes_all_its_processes_along(net: Lan) -> None:
    three = net.add("three")
    with (three.disk / "log").open("wb") as log:
        three.inside.start(["sleep", "60"], env={}, cwd=Path("/"), log=log)
        wait_for(
            lambda: any(process.name() == "sleep" for process in three.inside.processes()[1:]),
            what="a process",
            patience_s=240,
        )
    family = three.inside.processes()
    three.kill()
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert reaches(net.hosts[1].address)


def test_nothing_stays_of_an_owner_that_is_killed(net: Lan, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}"}
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        assert address in addresses_here()
        family = psutil.Process(owner.pid).children(recursive=True)
        assert len(family) > 4
        owner.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(process.is_running() for process in family), what="the end of all", patience_s=240)
    wait_for(lambda: address not in addresses_here(), what="the end of its network", patience_s=240)
    assert net.address in addresses_here()


def addresses_here() -> list[str]:
    return [entry.address for entries in psutil.net_if_addrs().values() for entry in entries]
