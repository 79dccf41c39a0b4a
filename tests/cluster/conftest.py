"""One running cluster for the tests of this room."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.local import down, up
from cluster.state import State


@pytest.fixture(scope="session")
def cluster_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of the running cluster."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def cluster(cluster_dir: Path) -> Iterator[State]:
    """An object store and a Ray of eight logical CPUs, ended with the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SKETCHRAY_STORE", raising=False)
        state = up(cluster_dir, cpus=8)
    yield state
    down(cluster_dir)
