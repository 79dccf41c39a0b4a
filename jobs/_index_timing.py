"""Where a verb's time goes."""

import contextlib
import time
from collections.abc import Iterator, Mapping


class Timing:
    """Seconds by stage: by the clock for what the verb waits for, summed over tasks for what they spend beside it."""

    def __init__(self) -> None:
        self._started, self._seconds = time.perf_counter(), dict[str, float]()

    @contextlib.contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count what the block takes, by the clock."""
        started = time.perf_counter()
        yield
        self.add({stage: time.perf_counter() - started})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Count what a task says that it took."""
        for stage, spent in seconds.items():
            self._seconds[stage] = self._seconds.get(stage, 0.0) + spent

    def rounded(self) -> dict[str, float]:
        """Return the seconds of each stage and, as ``all``, since this object was made."""
        whole = self._seconds | {"all": time.perf_counter() - self._started}
        return {stage: round(spent, 2) for stage, spent in whole.items()}
