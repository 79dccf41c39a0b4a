"""The endpoint as it ships, under load on loopback; prints Markdown tables for ``benchmarks/serving.md``.

    python -m benchmarks.serving PART... [name=value ...]

Parts: latency, throughput, shedding, autoscaling, chaos, soak. One server is started for all parts that are named, in
their order. Options are those of the part's plan and of the server's setting, as ``chaos.kills=1`` or
``server.rows=1000``; values are read as YAML. The load comes from a second process, see ``serving_load.py``.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version

from benchmarks.serving_autoscaling import AutoscalingPlan, autoscaling
from benchmarks.serving_bare import Bare
from benchmarks.serving_chaos import ChaosPlan, chaos, chaos_table
from benchmarks.serving_made import Truth, embed_drawings, made_drawings
from benchmarks.serving_overhead import LatencyPlan, ThroughputPlan, latency, throughput
from benchmarks.serving_server import Setting, start_server
from benchmarks.serving_shedding import SheddingPlan, shedding
from benchmarks.serving_soak import SoakPlan, soak
from sketchray.config import Config, load_config
from sketchray.encoders import load_encoder

PARTS = ("latency", "throughput", "shedding", "autoscaling", "chaos", "soak")
DRAWINGS = 200


class Options(Config):
    """Everything that can be said on the command line."""

    server: Setting = Setting()
    latency: LatencyPlan = LatencyPlan()
    throughput: ThroughputPlan = ThroughputPlan()
    shedding: SheddingPlan = SheddingPlan()
    autoscaling: AutoscalingPlan = AutoscalingPlan()
    chaos: ChaosPlan = ChaosPlan()
    soak: SoakPlan = SoakPlan()


def main() -> int:
    """Print the tables of the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", metavar="PART | name=value")
    words = parser.parse_args().words
    parts = [word for word in words if "=" not in word]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part is called {unknown[0]}; there are {', '.join(PARTS)}")
    options = load_config(Options, verb="serving", overrides=[word for word in words if "=" in word])

    encoder = load_encoder(options.server.encoder).eval()
    drawings = made_drawings(DRAWINGS)
    query_BD = embed_drawings(encoder, drawings)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {version('torch')}, Ray {version('ray')}")
    with start_server(options.server, encoder) as server:
        bare = Bare(encoder, next(iter(server.versions.values())), drawings, threads=options.latency.threads)
        run: dict[str, Callable[[], str]] = {
            "latency": lambda: latency(server, bare, drawings, options.latency),
            "throughput": lambda: throughput(server, drawings, options.throughput),
            "shedding": lambda: shedding(server, drawings, options.shedding),
            "autoscaling": lambda: autoscaling(server, drawings, options.autoscaling),
            "chaos": lambda: chaos_table(
                chaos(server, server.versions, drawings, Truth(query_BD), options.chaos), options.chaos
            ),
            "soak": lambda: soak(server, drawings, options.soak),
        }
        for part in parts:
            print(f"\n## {part.capitalize()}\n\n{run[part]()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
