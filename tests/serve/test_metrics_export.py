"""What Ray's agent tells Prometheus of a running application."""

import re
import time
from typing import Any

import httpx
import psutil
import pytest

from serve.models import HOUSE

pytestmark = pytest.mark.slow


def test_ray_exports_what_was_recorded_under_the_names_that_the_dashboard_uses(served: Any) -> None:
    with httpx.Client(base_url=served.url, timeout=240) as http:
        assert http.post("/v1/search", json={"strokes": HOUSE}).status_code == 200
        assert http.post("/v1/search", json={"strokes": []}).status_code == 422
    missing = {
        'ray_sketchray_requests_total{path="/v1/search",status="200",deployment="ingress"}',
        'ray_sketchray_requests_total{path="/v1/search",status="422",deployment="ingress"}',
        'ray_sketchray_request_ms_bucket{path="/v1/search",le="+Inf"}',
        'ray_sketchray_in_flight{deployment="ingress",application="sketchray"}',
        'ray_sketchray_batch_size_sum{deployment="encoder"}',
        'ray_sketchray_batch_size_count{deployment="shards-1"}',
        'ray_sketchray_swaps_total{gallery="shapes",outcome="active",deployment="director"}',
        'ray_sketchray_load_ms_count{part="encoder"}',
        'ray_serve_deployment_replica_healthy{deployment="shards-0"}',
        *(f'ray_sketchray_stage_ms_sum{{stage="{stage}"}}' for stage in ("prepare", "encode", "search", "total")),
    }
    address, deadline = metrics_address(served.pid), time.monotonic() + 240
    while missing := missing_in(
        httpx.get(address, timeout=240).text, missing
    ):  # a gauge is told once after each setting
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)


def metrics_address(pid: int) -> str:
    """Return where Prometheus would ask the agent of the Ray below a process."""
    words = " ".join(word for child in psutil.Process(pid).children(recursive=True) for word in child.cmdline())
    (port,) = set(re.findall(r"--metrics-export-port=([1-9]\d*)", words))
    return f"http://127.0.0.1:{port}/metrics"


def missing_in(text: str, wanted: set[str]) -> set[str]:
    """Return the series that the agent does not tell of."""
    return {series for series in wanted if not exported(text, series)}


def exported(text: str, series: str) -> bool:
    """Return whether a series of this name and these labels, among others, is there."""
    name, _, labels = series.rstrip("}").partition("{")
    lines = (line for line in text.splitlines() if line.startswith(f"{name}{{"))
    return any(all(label in line for label in labels.split(",")) for line in lines)
