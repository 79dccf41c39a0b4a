"""What the endpoint measures, through Ray's metrics: every node's agent exports it to Prometheus as ``ray_<name>``.

Ray adds deployment, replica and application, and ``_total`` to the name of a counter. Queues, replicas and autoscaling
decisions are Ray Serve's own metrics already. Labels have few values: routes, never paths, ids or keys.
Recording takes a few microseconds and asks nobody.
"""

from functools import cached_property
from typing import Any, ClassVar

LATENCY_MS = [1, 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000]
LOADS_MS = [100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64]


class Metric:
    """One metric; the object of Ray's class of the same name is made at the first use, in the replica that uses it.

    Args:
        name: without Ray's prefix.
        description: what it counts, and its unit.
        labels: names of what tells its series apart.
        options: further arguments of Ray's class.
    """

    known: ClassVar[list["Metric"]] = []

    def __init__(self, name: str, description: str, *labels: str, **options: Any) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.options = options
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
    """Holds what is so now, a series for each replica. Ray tells it once after each setting, then no more."""

    def set(self, value: float, *labels: str) -> None:
        """Say what is so now."""
        self._ray.set(value, tags=self._tags(labels))


class Histogram(Metric):
    """Sorts values into buckets; its option ``boundaries`` are their upper ends."""

    def observe(self, value: float, *labels: str) -> None:
        """Add one value."""
        self._ray.observe(value, tags=self._tags(labels))


REQUESTS = Counter("sketchray_requests", "API requests answered, by route and HTTP status", "path", "status")
REQUEST_MS = Histogram(
    "sketchray_request_ms", "time of an API request in the ingress, ms", "path", boundaries=LATENCY_MS
)
STAGE_MS = Histogram(
    "sketchray_stage_ms",
    "time of a search's stages (prepare, encode, search, total) and of an explanation (explain), ms",
    "stage",
    boundaries=LATENCY_MS,
)
BATCH_SIZE = Histogram("sketchray_batch_size", "questions that were answered together", boundaries=BATCH_SIZES)
IN_FLIGHT = Gauge("sketchray_in_flight", "API requests that an ingress replica is answering now")
SHED = Counter(
    "sketchray_shed", "requests turned away with 503, by reason: busy, back_pressure, timeout, unavailable", "reason"
)
RATE_LIMITED = Counter("sketchray_rate_limited", "requests turned away with 429, over their key's rate")
AUTH_FAILURES = Counter("sketchray_auth_failures", "requests without a valid key, by reason", "reason")
SWAPS = Counter(
    "sketchray_swaps", "gallery versions offered, by outcome: active, refused, dropped", "gallery", "outcome"
)
LOAD_MS = Histogram(
    "sketchray_load_ms", "time that a replica took to load and check one release, ms", "part", boundaries=LOADS_MS
)
