"""What a worker could not do: an error that the user can mend is itself, a defect of ours is named."""

from collections.abc import Callable
from typing import Any

import pytest
from ray import exceptions
from ray.train import ControllerError, WorkerGroupError

from jobs._errors import ClusterError, mendable, root
from sketchray.gallery import GalleryError
from sketchray.storage import NoSpace

ray_errors: Any = exceptions  # they are untyped


def in_a_worker(cause: Exception) -> Exception:
    """Return what `ray.get` raises for a task that failed so."""
    error: Exception = ray_errors.RayTaskError("step", "a long traceback", cause).as_instanceof_cause()
    return error


def in_training(cause: Exception) -> Exception:
    error: Exception = WorkerGroupError("a long traceback", {1: in_a_worker(cause)})
    return error


def in_the_controller(cause: Exception) -> Exception:
    error: Exception = ControllerError(in_a_worker(cause))
    return error


WAYS: dict[str, Callable[[Exception], Exception]] = {
    "here": lambda cause: cause,
    "in a task": in_a_worker,
    "in a training worker": in_training,
    "in Ray Train's controller": in_the_controller,
}


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("cause", [NoSpace("s3://b/k: no space left"), GalleryError("no shard 7"), ValueError("no")])
def test_what_the_user_can_mend_is_itself_in_one_line(cause: Exception, where: str) -> None:
    said = str(cause).partition("\n")[0]
    cause.args = (f"{said}\nFailed to map.\nTo change retry attempts, configure something.",)
    told = mendable(WAYS[where](cause))
    assert told is cause
    assert str(told) == said


def test_a_cluster_that_ran_out_of_something_says_so_in_one_line() -> None:
    told = mendable(in_a_worker(ray_errors.OutOfDiskError("the disk is full\nand more")))
    assert isinstance(told, ClusterError)
    assert str(told) == "the disk is full"
    assert "memory" in str(mendable(ray_errors.OutOfMemoryError("out of memory")))


@pytest.mark.parametrize("where", WAYS)
def test_a_defect_of_ours_is_named_for_what_it_came_of(where: str) -> None:
    error = WAYS[where](KeyError("ours"))
    assert mendable(error) is None
    assert root(error) == "KeyError: 'ours'"


def test_a_defect_that_came_of_a_mendable_error_is_a_defect() -> None:
    defect = KeyError("ours")
    defect.__cause__ = ValueError("no")
    assert mendable(defect) is None
