"""Tasks over many items: all of them, and never more at once than allowed."""

from collections.abc import Iterator

import pytest

from jobs._index_config import IndexResources
from jobs._index_tasks import run_task, run_tasks

pytestmark = pytest.mark.slow


def test_every_item_is_worked_on_and_none_is_taken_before_there_is_room(local_ray: None) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(7):
            taken += 1
            yield item

    resources, done = IndexResources(shard_tasks=2), list[int]()
    for result in run_tasks(lambda item, *, by: item * by, items(), resources, by=3):
        done.append(result)
        assert taken - len(done) < resources.shard_tasks
    assert sorted(done) == [0, 3, 6, 9, 12, 15, 18]
    assert run_task(lambda *, by: by + 1, resources, by=3) == 4
