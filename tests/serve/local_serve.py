"""Start a Ray of its own on this machine and serve one application: ``local_serve.py PORT METRICS_PORT ARGS_JSON``.

It prints ``ready`` once the application answers, and ends with everything it started when its standard input closes.
"""

import json
import sys
from contextlib import suppress

import ray
from ray import serve

from serve.app import build


def main() -> None:
    """Serve until standard input closes."""
    port, metrics_port, arguments = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    ray.init(
        address="local",
        num_cpus=8,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=256 * 2**20,
        _metrics_export_port=metrics_port,
    )
    try:
        with suppress(TimeoutError):  # of a minute, which nothing sets; who asks waits for the proxy anyway
            serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"enable_access_log": False})
        serve.run(build(arguments), name="sketchray")
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


if __name__ == "__main__":
    main()
