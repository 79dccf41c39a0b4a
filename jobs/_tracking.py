"""Somewhere to write a run's curves and pictures to: what a tracker is, and several of them as one."""

import contextlib
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

logger = logging.getLogger(__name__)

Picture = npt.NDArray[np.uint8]  # (height, width, 3)
REFUSED = re.compile(r"[^\w\-./]+")  # what neither TensorBoard nor MLflow takes in a name


def curve_name(name: str) -> str:
    """Return a curve's name as every tracker shows it: ``val/map@all[plain]`` is ``val/map_all_plain``."""
    return REFUSED.sub("_", name).strip("_")


class Tracker(ABC):
    """Somewhere to write a run's curves to."""

    @abstractmethod
    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point at a step to each of these curves; ``/`` in a name separates group and curve."""

    @abstractmethod
    def image(self, step: int, name: str, picture: Picture) -> None:
        """Add a picture at a step, uint8 (height, width, 3)."""

    @abstractmethod
    def flush(self) -> None:
        """Bring everything so far to where it is kept."""


class Trackers(Tracker):
    """All of a run's trackers as one. A tracker that fails is left out from then on, and the training goes on.

    Args:
        trackers: what to open, by name.
    """

    def __init__(self, trackers: Mapping[str, Callable[[], Tracker]]) -> None:
        self._trackers: dict[str, Tracker] = {}
        for name, open_tracker in trackers.items():
            with self._spared(name):
                self._trackers[name] = open_tracker()

    def __bool__(self) -> bool:
        return bool(self._trackers)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, tracker in list(self._trackers.items()):
            with self._spared(name):
                tracker.scalars(step, values)

    def image(self, step: int, name: str, picture: Picture) -> None:
        for tracked, tracker in list(self._trackers.items()):
            with self._spared(tracked):
                tracker.image(step, name, picture)

    def flush(self) -> None:
        for name, tracker in list(self._trackers.items()):
            with self._spared(name):
                tracker.flush()

    @contextlib.contextmanager
    def _spared(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # whatever a tracking server does: hours of training do not depend on it
            logger.exception("tracking by %s ends here; the training goes on", name)
            self._trackers.pop(name, None)
