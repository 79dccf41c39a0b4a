"""Progress of a job: a bar in a terminal, plain lines in a log, fed from this process or from workers."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tqdm import tqdm

LINE_EVERY_S = 5.0
POLL_EVERY_S = 0.5
PLAIN_LINE = "{desc}: {n_fmt}/{total_fmt} {unit} {elapsed}<{remaining} {postfix}\n"


class Progress:
    """A bar of ``total`` units. In a terminal it redraws itself; elsewhere it prints a line every few seconds."""

    def __init__(self, total: int, label: str, *, unit: str = "it") -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] = tqdm(
            total=total,
            desc=label,
            unit=unit,
            file=sys.stderr,
            mininterval=0.2 if self._terminal else LINE_EVERY_S,
            bar_format=None if self._terminal else PLAIN_LINE,
        )

    def set(self, done: int, note: str = "") -> None:
        """Move the bar to ``done`` units; ``note`` is shown behind it."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def say(self, text: str) -> None:
        """Print a line of its own, above the bar where there is one."""
        self._bar.write(text, file=sys.stderr)

    def add(self, count: int = 1) -> None:
        """Move the bar on by ``count`` units."""
        self._bar.update(count)

    def close(self) -> None:
        """Draw the bar a last time and leave it standing."""
        self._bar.close()


@ray.remote(num_cpus=0)
class _Board:
    """Holds the latest progress of a remote worker, so that the driver can draw it."""

    def __init__(self) -> None:
        self._latest = (0, "")

    def post(self, done: int, note: str) -> None:
        self._latest = (done, note)

    def read(self) -> tuple[int, str]:
        return self._latest


@contextlib.contextmanager
def remote_progress(total: int, label: str, *, unit: str) -> Iterator[Any]:
    """Show what a remote worker posts: yields an actor handle with ``post.remote(done, note)``."""
    # On the node of this process: another may be lost, and what it showed with it.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board = _Board.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]  # by the decorator
    stop = threading.Event()
    bar = Progress(total, label, unit=unit)

    def draw() -> None:
        with contextlib.suppress(ray.exceptions.RayError):
            bar.set(*ray.get(board.read.remote(), timeout=5))

    def follow() -> None:
        while not stop.wait(POLL_EVERY_S):
            draw()

    thread = threading.Thread(target=follow, daemon=True)
    started = time.monotonic()
    thread.start()
    try:
        yield board
    finally:
        stop.set()
        thread.join(timeout=10)
        draw()
        bar.close()
        print(f"{label}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        ray.kill(board)
