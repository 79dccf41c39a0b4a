"""Of a cluster that grows, Ray Data asks for no more than a job's pools can use, however fast or slow their steps are.

Of its two ways of asking it takes by default the one that knows the pools' sizes. The other one, ``V2``, asks for
another node of every type, those with a GPU too, wherever three quarters of the CPUs are in use. Every pool of ours
has a size.
"""

import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any

from ray.data import ExecutionResources
from ray.data._internal import cluster_autoscaler
from ray.data._internal.cluster_autoscaler.fake_autoscaling_coordinator import FakeAutoscalingCoordinator
from ray.data._internal.cluster_autoscaler.resource_utilization_gauge import ClusterUtil, ResourceUtilizationGauge

from jobs._index_config import IndexResources

RATES = (None, 0.0, 0.01, 1.0, 100.0)  # blocks a second; None before the first one is known


class Busy(ResourceUtilizationGauge):
    """A cluster all of whose CPUs are in use."""

    def observe(self) -> None:
        """Nothing changes."""

    def get(self) -> ClusterUtil:
        return ClusterUtil(cpu=1.0)


class Step:
    """An operator of a pipeline, as Ray Data's autoscaler sees it.

    Args:
        cpus: of a task or an actor.
        limit: the size of its pool.
        rate: blocks that each gives in a second.
        then: what takes them.
    """

    def __init__(self, cpus: float, limit: int | None, rate: float | None, *then: "Step") -> None:
        self._resources, self._limit = ExecutionResources(cpu=cpus), limit
        self.output_dependencies: list[Any] = list(then)
        known = {"average_num_inputs_per_task": 1.0, "average_num_outputs_per_task": 1.0}
        self.metrics: Any = SimpleNamespace(num_output_blocks_per_task_s=rate, **known)

    def per_task_resource_allocation(self) -> ExecutionResources:
        return self._resources

    def min_scheduling_resources(self) -> ExecutionResources:
        return self._resources

    def get_max_concurrency_limit(self) -> int | None:
        return self._limit

    def has_completed(self) -> bool:
        return False


def most_asked(resources: IndexResources, *, sized: bool) -> Counter[float]:
    """Return the largest number of bundles of so many CPUs that are asked for at once, over all rates."""
    most = Counter[float]()
    for decoded, embedded in itertools.product(RATES, RATES):
        embed = Step(resources.actor_cpus, resources.actors if sized else None, embedded)
        decode = Step(resources.decode_cpus, resources.decode_tasks if sized else None, decoded, embed)
        coordinator = FakeAutoscalingCoordinator(initial_cluster_resources=[{"CPU": 16.0}] * 4)
        autoscaler: Any = cluster_autoscaler.RateBasedClusterAutoscaler(
            [decode, embed],
            "an-index-job",
            utility_calculator=Busy(),
            autoscaling_coordinator=coordinator,
            min_gap_between_autoscaling_requests_s=0,
        )
        for _ in range(3):
            most |= Counter(bundle["CPU"] for bundle in autoscaler.try_trigger_scaling())
    return most


def test_an_index_job_asks_for_its_actors_and_tasks_and_no_more() -> None:
    assert (
        cluster_autoscaler.DEFAULT_CLUSTER_AUTOSCALER_VERSION == cluster_autoscaler.ClusterAutoscalerVersion.RATE_BASED
    )
    resources = IndexResources(actors=3, actor_cpus=9, decode_tasks=2, decode_cpus=1)
    assert most_asked(resources, sized=True) == {9: 3, 1: 2}
    assert most_asked(resources, sized=False)[9] > 3
