"""Tasks over many items, a bounded number of them at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import ray

from jobs._index_config import IndexResources

T = TypeVar("T")
R = TypeVar("R")


def run_tasks(
    function: Callable[..., R], items: Iterable[T], resources: IndexResources, **arguments: Any
) -> Iterator[R]:
    """Yield what a function returns for each item, as the tasks end.

    Args:
        function: called in a task as ``function(item, **arguments)``.
        items: what there is to do; the next is taken when there is room for it.
        resources: how many tasks at once, and what each takes.
        arguments: of every task.
    """
    task: Any = ray.remote(num_cpus=resources.shard_cpus)(function)
    shared = {name: ray.put(value) for name, value in arguments.items()}
    running: list[Any] = []
    for item in items:
        running.append(task.remote(item, **shared))
        if len(running) >= resources.shard_tasks:
            yield _next(running)
    while running:
        yield _next(running)


def run_task(function: Callable[..., R], resources: IndexResources, **arguments: Any) -> R:
    """Return what a function returns that is called in a task as ``function(**arguments)``."""
    task: Any = ray.remote(num_cpus=resources.shard_cpus)(function)
    result: R = ray.get(task.remote(**arguments))
    return result


def _next(running: list[Any]) -> Any:
    (ready, *_), _ = ray.wait(running)
    running.remove(ready)
    return ray.get(ready)
