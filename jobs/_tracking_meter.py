"""How a training run goes between two points of its curves: losses, learning rates, speed, and waiting for data."""

import time
from collections.abc import Mapping

from torch.optim import Optimizer


class Meter:
    """Collects steps; reading it gives their means and starts anew.

    Args:
        samples_per_step: sketches and photos in a global step.
    """

    def __init__(self, samples_per_step: int) -> None:
        self._samples_per_step = samples_per_step
        self.restart()

    def restart(self) -> None:
        """Forget what was collected: from here on count the steps and the time."""
        self._sums: dict[str, float] = {}
        self._steps, self._waited, self._since = 0, 0.0, time.perf_counter()

    def add(self, terms: Mapping[str, float], *, waited: float) -> None:
        """Count a step: its loss terms, and the seconds that it waited for its samples."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._waited += waited

    def read(self, optimizers: Mapping[str, Optimizer]) -> dict[str, float]:
        """Return the points since the last reading, by curve: ``loss/<term>``, ``rate/<optimiser>`` and ``speed/...``.

        Args:
            optimizers: whose learning rates are told, of parameter groups in their order.
        """
        steps, seconds = max(1, self._steps), max(1e-9, time.perf_counter() - self._since)
        points = {f"loss/{name}": total / steps for name, total in self._sums.items()}
        for name, optimizer in optimizers.items():
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            points |= {f"rate/{name}" + (f".{n}" if n else ""): rate for n, rate in enumerate(rates)}
        points["speed/samples_per_s"] = self._steps * self._samples_per_step / seconds
        points["speed/data_wait_share"] = self._waited / seconds
        self.restart()
        return points
