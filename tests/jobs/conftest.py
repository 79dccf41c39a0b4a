"""One local Ray for the tests of this room."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One local Ray for the jobs' tests: more logical CPUs than cores, as the demo's."""
    import ray

    ray.init(address="local", num_cpus=8, object_store_memory=300 * 2**20, logging_level=logging.WARNING)
    yield
    ray.shutdown()
