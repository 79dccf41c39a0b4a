"""The embedded object store: private, bounded to loopback, ends with its record, and keeps what it was given."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from cluster.store_server import StoreServer, start_store

pytestmark = pytest.mark.slow


def client(server: StoreServer, secret: str | None = None) -> "boto3.client":
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=secret or server.secret_key,
        region_name="us-east-1",
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StoreServer]:
    server = start_store(tmp_path)
    yield server
    server.stop()


def test_only_its_own_credentials_open_it(server: StoreServer, tmp_path: Path) -> None:
    client(server).put_object(Bucket=server.bucket, Key="a", Body=b"1")
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|AccessDenied"):
        client(server, secret="wrong").get_object(Bucket=server.bucket, Key="a")
    mode = stat.S_IMODE((tmp_path / "store" / "credentials.json").stat().st_mode)
    assert mode == 0o600


def test_it_listens_on_loopback_only(server: StoreServer) -> None:
    listening = [c for c in psutil.Process(server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    allowed = {port + offset for port in server.ports.values() for offset in (0, 10000)}
    assert {c.laddr.port for c in listening} <= allowed


def test_data_and_credentials_survive_a_restart_even_on_other_ports(tmp_path: Path) -> None:
    first = start_store(tmp_path)
    body = os.urandom(300_000)
    client(first).put_object(Bucket=first.bucket, Key="kept/object", Body=body)
    first.stop()
    assert not first.alive()
    with socket.socket() as occupied:  # somebody took the port meanwhile
        occupied.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        occupied.bind(("127.0.0.1", first.ports["s3"]))
        occupied.listen()
        second = start_store(tmp_path)
    try:
        assert second.ports != first.ports
        assert second.access_key == first.access_key
        assert client(second).get_object(Bucket=second.bucket, Key="kept/object")["Body"].read() == body
    finally:
        second.stop()


def test_two_stores_run_side_by_side(server: StoreServer, tmp_path: Path) -> None:
    other = start_store(tmp_path / "other")
    try:
        client(other).put_object(Bucket=other.bucket, Key="mine", Body=b"1")
        assert client(server).list_objects_v2(Bucket=server.bucket).get("KeyCount") == 0
    finally:
        other.stop()
    assert server.alive()
    assert not other.alive()
