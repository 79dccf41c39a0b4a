"""What a worker could not do: an error that the user can mend is itself, a defect of ours keeps its traceback."""

from typing import Any

import pytest
from ray import exceptions

from jobs._index_errors import ClusterError, plainly
from sketchray.gallery import GalleryError
from sketchray.storage import NoSpace

ray_errors: Any = exceptions  # they are untyped


def in_a_worker(cause: Exception) -> Exception:
    """Return what `ray.get` raises for a task that failed so."""
    error: Exception = ray_errors.RayTaskError("step", "a long traceback", cause).as_instanceof_cause()
    return error


def failing(error: Exception) -> Any:
    def run(_: None) -> dict[str, Any]:
        raise error

    return plainly(run)


@pytest.mark.parametrize("cause", [NoSpace("s3://b/k: no space left"), GalleryError("no shard 7"), ValueError("no")])
def test_what_the_user_can_mend_is_itself(cause: Exception) -> None:
    said = str(cause)
    cause.args = (f"{said}\nFailed to map.\nTo change retry attempts, configure something.",)
    with pytest.raises(type(cause)) as caught:
        failing(in_a_worker(cause))(None)
    assert caught.value is cause
    assert str(caught.value) == said


def test_a_cluster_that_ran_out_of_something_says_so_in_one_line() -> None:
    with pytest.raises(ClusterError, match=r"^the disk is full$"):
        failing(in_a_worker(ray_errors.OutOfDiskError("the disk is full\nand more")))(None)
    with pytest.raises(ClusterError, match="memory"):
        failing(ray_errors.OutOfMemoryError("out of memory"))(None)


def test_a_defect_of_ours_stays_rays_error() -> None:
    with pytest.raises(ray_errors.RayTaskError):
        failing(in_a_worker(KeyError("ours")))(None)
