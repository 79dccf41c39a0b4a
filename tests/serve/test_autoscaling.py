"""Replicas of ingress and encoder come with the load and go after it."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import pytest

from benchmarks.serving_autoscaling import watch
from benchmarks.serving_load import Plan, start_load
from benchmarks.serving_made import made_drawings, query_bodies
from benchmarks.serving_target import replicas_below, wait_for
from tests.serve.conftest import LEAST, MOST, Served

pytestmark = pytest.mark.slow
CLIENTS, PATIENCE_S = 32, 240
STILL_S, MOVES_S = 0.8, 0.2  # of a second, of an encoder that is held up


@contextmanager
def held_up(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Let processes run for a part of each second alone, so that questions wait for them while the block runs."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            over.wait(STILL_S)
            for process in processes:
                process.send_signal(signal.SIGCONT)
            over.wait(MOVES_S)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_replicas_go_up_under_load_and_down_after_it(served: Served) -> None:
    process, names = psutil.Process(served.pid), list(LEAST)

    def now() -> dict[str, int]:
        return {name: len(members) for name, members in replicas_below(process).items() if name in names}

    wait_for(lambda: now() == LEAST, what="no more replicas than an idle server has", patience_s=PATIENCE_S)
    queries = query_bodies(made_drawings(16), gallery="shapes")
    plan = Plan(url=f"{served.url}/v1/search", queries=queries, clients=CLIENTS, seconds=PATIENCE_S)
    with watch(lambda: replicas_below(process)) as watched, start_load(plan) as running:
        # The tests' encoder is so small that on many a machine nobody waits for it, however many ask.
        with held_up(replicas_below(process)["encoder"]):
            wait_for(
                lambda: all(watched.most(name) == MOST[name] for name in names),
                what="more of both",
                patience_s=PATIENCE_S,
            )
        done = running.stop()
        wait_for(lambda: now() == LEAST, what="as many replicas as before", patience_s=PATIENCE_S)
    for name in names:
        assert watched.most(name) == MOST[name]  # never more than it may have
    assert set(done.failed) <= {"503"}  # turned away; nobody was lost to a replica that came or went
    assert done.good
