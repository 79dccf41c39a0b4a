"""What a worker could not do, said as plainly as if this process had tried it."""

from collections.abc import Iterator

import ray.exceptions

OF_THE_CLUSTER = (
    ray.exceptions.OutOfDiskError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectStoreFullError,
    ray.exceptions.NodeDiedError,
)


class ClusterError(OSError):
    """The cluster ran out of something, or lost a node; the message says which."""


def mendable(error: BaseException) -> Exception | None:
    """Return what the user can mend of an error, its message in one line; None if it is a defect of ours.

    That is a `ValueError` (as `ConfigError`) or an `OSError` (as `StoreError`), in this process or in a worker's, or
    something that the cluster ran out of.
    """
    of_ray = type(error).__module__.startswith("ray.")  # an error of ours that came of another is still ours
    for cause in causes(error) if of_ray else [error]:
        if isinstance(cause, ray.exceptions.RayTaskError):
            continue  # a wrapper, though it is an instance of its cause's class as well
        if isinstance(cause, OF_THE_CLUSTER):
            return ClusterError(_first_line(cause))
        if isinstance(cause, ValueError | OSError):
            cause.args = (str(cause).partition("\n")[0],)  # Ray Data writes advice of its own below
            return cause
    return None


def root(error: BaseException) -> str:
    """Return the kind and the first line of what an error came of, for one that nobody can mend but us."""
    *_, last = causes(error)
    return f"{type(last).__name__}: {_first_line(last)}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came of, through the wrappers of Ray and Ray Train."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        in_workers = list(getattr(seen, "worker_failures", {}).values())  # by rank; the others mostly miss the first
        seen = (
            (in_workers[0] if in_workers else None)
            or getattr(seen, "controller_failure", None)
            or getattr(seen, "cause", None)
            or seen.__cause__
        )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
