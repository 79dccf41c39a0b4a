"""What a worker could not do, said as plainly as if this process had tried it."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ray.exceptions

C = TypeVar("C")
OF_THE_CLUSTER = (
    ray.exceptions.OutOfDiskError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectStoreFullError,
    ray.exceptions.NodeDiedError,
)


class ClusterError(OSError):
    """The cluster ran out of something, or lost a node; the message says which."""


def plainly(run: Callable[[C], dict[str, Any]]) -> Callable[[C], dict[str, Any]]:
    """Return the verb such that what the user can mend fails as itself in a worker too, not as a worker's error."""

    @functools.wraps(run)
    def run_plainly(config: C) -> dict[str, Any]:
        try:
            return run(config)
        except ray.exceptions.RayError as error:
            for cause in causes(error):
                if isinstance(cause, ray.exceptions.RayTaskError):
                    continue  # a wrapper, though it is an instance of its cause's class as well
                if isinstance(cause, OF_THE_CLUSTER):
                    raise ClusterError(str(cause).strip().splitlines()[0]) from error
                if isinstance(cause, ValueError | OSError):
                    cause.args = (str(cause).partition("\n")[0],)  # Ray Data writes advice of its own below
                    raise cause from error
            raise

    return run_plainly


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came of, through Ray's own wrappers."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "cause", None) or seen.__cause__
