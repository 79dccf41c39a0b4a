"""Gloo is told the interface of the node's own address, and nobody's choice is overruled."""

import os

import psutil
import pytest

from jobs import _process_group as group


def test_the_interface_of_an_address_is_found_as_psutil_finds_it() -> None:
    known = {
        entry.address: name
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family.name == "AF_INET"
    }
    assert known["127.0.0.1"] == "lo"
    assert {address: group.interface_of(address) for address in known} == known


def test_an_address_of_nobody_here_has_no_interface() -> None:
    assert group.interface_of("203.0.113.7") is None  # of a network that is for documents only


def test_the_users_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv(group.GLOO_INTERFACE, "eth7")
    group.use_interface_of_node()
    assert os.environ[group.GLOO_INTERFACE] == "eth7"
    monkeypatch.delenv(group.GLOO_INTERFACE)
    group.use_interface_of_node()
    assert os.environ[group.GLOO_INTERFACE] == "lo"
