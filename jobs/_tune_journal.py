"""What a search knows of its trials, as plain JSON in the store: all that it needs to go on wherever it was killed.

A trial is one object, ``journal/00003.json``, written whole or not at all: before the trial starts, at each of its
reports together with what was decided on it, and when it fails. Ray Tune's own state would be several files, some of
them pickles, that are rewritten in place: a search killed meanwhile finds them cut off and starts anew.
"""

from collections.abc import Sequence
from typing import Literal

from jobs._driver import Driver
from jobs._tune_space import Point
from sketchray.config import Config
from sketchray.storage import Store


class Trial(Config):
    """One trial.

    Attributes:
        trial: its number, from 0.
        overrides: what it is trained with, by dotted key.
        steps: that it has when nothing stops it.
        status: ``running``, which an interrupted one still is; ``finished``; ``stopped`` early, since others were
            better at that step; or ``failed``.
        curve: (step, objective) at each report.
        error: what it failed with.
    """

    trial: int
    overrides: Point
    steps: int
    status: Literal["running", "finished", "stopped", "failed"] = "running"
    curve: tuple[tuple[int, float], ...] = ()
    error: str | None = None

    @property
    def value(self) -> float | None:
        """The objective at the last report."""
        return self.curve[-1][1] if self.curve else None

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do for it; a failed one is tried again when the search is."""
        return self.status in ("finished", "stopped")

    def reported(self, step: int, value: float, *, stop: bool) -> "Trial":
        """Return the trial with one more point; ``stop`` is what was decided on it."""
        curve = dict(self.curve) | {step: value}
        status = "finished" if step >= self.steps else "stopped" if stop else "running"
        return self.model_copy(update={"curve": tuple(sorted(curve.items())), "status": status})


class Journal:
    """The trials of one search. It keeps nothing itself; of all processes only the search's own writes.

    Args:
        store: the search's part of the store.
        driver: who writes, and nobody else may; None only reads.
    """

    def __init__(self, store: Store, driver: Driver | None = None) -> None:
        self._store, self._driver = store.child("journal"), driver

    def trials(self) -> list[Trial]:
        """Return all trials in the order of their numbers."""
        return [Trial.model_validate_json(self._store.read(key)) for key in sorted(e.key for e in self._store.list())]

    def read(self, number: int) -> Trial:
        """Return one trial; `NotFound` if it never started."""
        return Trial.model_validate_json(self._store.read(_key(number)))

    def write(self, trial: Trial) -> None:
        """Replace what is known of a trial; `Conflict` if another process drives the search now."""
        if self._driver is not None:
            self._driver.check()
        self._store.write(_key(trial.trial), trial.model_dump_json().encode())


def unfinished(trials: Sequence[Trial]) -> list[int]:
    """Return the numbers of the trials that a search still has to bring to an end."""
    return [trial.trial for trial in trials if not trial.over]


def _key(number: int) -> str:
    return f"{number:05d}.json"
