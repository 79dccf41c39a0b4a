"""What the endpoint measures, through Ray's metrics: every node's agent exports it to Prometheus as ``ray_<name>``.

Ray adds deployment, replica and application, and ``_total`` to the name of a counter. Batch sizes, queues, replicas and
autoscaling decisions are Ray Serve's own metrics already. Labels have few values: routes, never paths, ids or keys.
Recording takes a few microseconds and asks nobody.
"""

from functools import cached_property
from typing import Any, ClassVar

LATENCY_MS = [1, 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000]


class Metric:
    """One metric; the object of Ray's class of the same name is made at the first use, in the replica that uses it.

    Args:
        name: without Ray's prefix.
        description: what it counts, and its unit.
        labels: names of what tells its series apart.
    """

    known: ClassVar[list["Metric"]] = []
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str, description: str, *labels: str) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.known.append(self)

    @cached_property
    def _ray(self) -> Any:
        from ray.serve import metrics

        return getattr(metrics, type(self).__name__)(self.name, self.description, tag_keys=self.labels, **self.options)

    def _tags(self, values: tuple[str, ...]) -> dict[str, str]:
        assert len(values) == len(self.labels), f"{self.name} has the labels {self.labels}, not {values}"
        return dict(zip(self.labels, values, strict=True))


class Counter(Metric):
    """Counts events."""

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count ``by`` more under these labels."""
        self._ray.inc(by, tags=self._tags(labels))


class Gauge(Metric):
    """Holds what is so now, a series for each replica."""

    def set(self, value: float, *labels: str) -> None:
        """Say what is so now."""
        self._ray.set(value, tags=self._tags(labels))


class Histogram(Metric):
    """Sorts durations into buckets, in milliseconds."""

    options: ClassVar[dict[str, Any]] = {"boundaries": LATENCY_MS}

    def observe(self, ms: float, *labels: str) -> None:
        """Add one duration, in milliseconds."""
        self._ray.observe(ms, tags=self._tags(labels))


REQUESTS = Counter("sketchray_requests", "API requests answered, by route and HTTP status", "path", "status")
REQUEST_MS = Histogram("sketchray_request_ms", "time of an API request in the ingress, ms", "path")
STAGE_MS = Histogram(
    "sketchray_stage_ms", "time of one stage of a search (prepare, encode, search, total) or of explain, ms", "stage"
)
IN_FLIGHT = Gauge("sketchray_in_flight", "API requests that an ingress replica is answering now")
SHED = Counter(
    "sketchray_shed", "requests turned away with 503, by reason: busy, back_pressure, timeout, unavailable", "reason"
)
RATE_LIMITED = Counter("sketchray_rate_limited", "requests turned away with 429, over their key's rate")
AUTH_FAILURES = Counter("sketchray_auth_failures", "requests without a valid key, by reason", "reason")
SWAPS = Counter(
    "sketchray_swaps", "gallery versions offered, by outcome: active, refused, dropped", "gallery", "outcome"
)
LOAD_MS = Histogram("sketchray_load_ms", "time that a replica took to load and check one release, ms", "part")
