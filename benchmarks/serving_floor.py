"""What Ray Serve itself costs a query: the graph's two hops with nothing in them, and no hop at all.

    RAY_worker_niceness=0 python -m benchmarks.serving_floor

The client sends 2.5 kB, as much as a drawing, one request after the other over loopback; every deployment hands on what
it gets. `benchmarks.serving latency` has the same way through proxy, ingress, encoder and shards with the work in it.
"""

import statistics
import sys
import time

import ray
import requests
from fastapi import FastAPI, Request, Response
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster.ports import LOOPBACK, free_ports
from cluster.ray_head import SERVE

BODY = b"x" * 2500
WARM, COUNTED, ROUNDS = 30, 300, 3
OPTIONS = {
    "max_ongoing_requests": 256,
    "ray_actor_options": {"num_cpus": 0.1},
    "logging_config": {"enable_access_log": False},
}

app = FastAPI()


@serve.deployment(**OPTIONS)
class Echo:
    """Stands where encoder and shards do."""

    async def hand_on(self, body: bytes) -> bytes:
        """Return what came."""
        return body


@serve.deployment(**OPTIONS)
@serve.ingress(app)
class Front:
    """Stands where the ingress does."""

    def __init__(self, encoder: DeploymentHandle, shards: DeploymentHandle) -> None:
        self._encode, self._search = encoder.hand_on, shards.hand_on

    @app.post("/hops")
    async def hops(self, request: Request) -> Response:
        """Pass the body through both."""
        return Response(await self._search.remote(await self._encode.remote(await request.body())))

    @app.post("/none")
    async def none(self, request: Request) -> Response:
        """Answer at once."""
        return Response(await request.body())


def measure(url: str) -> list[float]:
    """Return the seconds of each request."""
    spent = []
    with requests.Session() as session:
        for number in range(WARM + COUNTED):
            began = time.perf_counter()
            session.post(url, data=BODY, timeout=30).raise_for_status()
            if number >= WARM:
                spent.append(time.perf_counter() - began)
    return spent


def main() -> int:
    """Print the table."""
    (port,) = free_ports(1)
    ray.init(address="local", num_cpus=4, log_to_driver=False, runtime_env={"env_vars": SERVE})
    try:
        serve.start(http_options={"host": LOOPBACK, "port": port})
        serve.run(Front.bind(Echo.options(name="encoder").bind(), Echo.options(name="shards").bind()))
        print("| an empty graph | median ms of each round | p90 ms, all rounds |\n|---|---|---|")
        for path, name in (("hops", "proxy, ingress and two hops"), ("none", "proxy and ingress")):
            rounds = [measure(f"http://{LOOPBACK}:{port}/{path}") for _ in range(ROUNDS)]
            medians = ", ".join(f"{1000 * statistics.median(spent):.1f}" for spent in rounds)
            p90 = 1000 * statistics.quantiles([seconds for spent in rounds for seconds in spent], n=10)[-1]
            print(f"| {name} | {medians} | {p90:.1f} |", flush=True)
    finally:
        serve.shutdown()
        ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
