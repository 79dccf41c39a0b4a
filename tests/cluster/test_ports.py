import socket

import pytest

from cluster import ports
from cluster.ports import LOWEST, answers, free_ports, is_free


def test_ports_are_distinct_free_and_so_are_their_neighbours() -> None:
    found = free_ports(12, neighbours=[10000])
    family = [port + offset for port in found for offset in (0, 10000)]
    assert len(set(family)) == 24
    assert all(is_free(port) for port in family)


def test_a_taken_port_is_not_free_and_answers() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not is_free(port)
        assert answers(port)
    assert not answers(port)


def test_running_out_of_ports_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST", LOWEST + 5)
    with pytest.raises(OSError, match="of 6 free ports"):
        free_ports(6)
