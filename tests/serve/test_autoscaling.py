"""Replicas of ingress and encoder come with the load and go after it."""

import psutil
import pytest

from benchmarks.serving_autoscaling import watch
from benchmarks.serving_load import Plan, start_load
from benchmarks.serving_made import made_drawings, query_bodies
from benchmarks.serving_target import replicas_below, wait_for
from tests.serve.conftest import LEAST, MOST, Served

pytestmark = pytest.mark.slow
CLIENTS, PATIENCE_S = 32, 240


def test_replicas_go_up_under_load_and_down_after_it(served: Served) -> None:
    process, names = psutil.Process(served.pid), list(LEAST)

    def now() -> dict[str, int]:
        return {name: len(members) for name, members in replicas_below(process).items() if name in names}

    wait_for(lambda: now() == LEAST, what="no more replicas than an idle server has", patience_s=PATIENCE_S)
    queries = query_bodies(made_drawings(16), gallery="shapes")
    plan = Plan(url=f"{served.url}/v1/search", queries=queries, clients=CLIENTS, seconds=PATIENCE_S)
    with watch(lambda: replicas_below(process)) as watched, start_load(plan) as running:
        wait_for(lambda: now() == MOST, what="more replicas of both", patience_s=PATIENCE_S)
        done = running.stop()
        wait_for(lambda: now() == LEAST, what="as many replicas as before", patience_s=PATIENCE_S)
    for name in names:
        assert watched.most(name) <= MOST[name]  # never more than it may have
    assert set(done.failed) <= {"503"}  # turned away; nobody was lost to a replica that came or went
    assert done.good
