"""What a training run tells its trackers, and when. Only rank 0 tells anything."""

from collections.abc import Callable, Mapping

from torch.optim import Optimizer

from jobs._tracking import Picture, Tracker, Trackers, curve_name
from jobs._tracking_meter import Meter
from jobs._train_config import TrainConfig
from sketchray.config import Config
from sketchray.storage import Store


class RunTracking:
    """The curves of one run.

    Args:
        fit: the run; its ``tracking`` says who is told, and how often.
        store: the run's part of the store; event files go below ``tensorboard/``.
        name: the run's.
        step: from which it goes on; what a lost attempt told of later steps is replaced.
        rank: this worker.
    """

    def __init__(self, fit: TrainConfig, *, store: Store, name: str, step: int, rank: int) -> None:
        config = fit.tracking
        openers: dict[str, Callable[[], Tracker]] = {}
        if config.tensorboard:
            openers["TensorBoard"] = lambda: _tensorboard(store.child("tensorboard"), step)
        if config.mlflow is not None:
            openers["MLflow"] = lambda: _mlflow(str(config.mlflow), name, fit)
        self._config, self._meter = config, Meter(fit.sketch_batch + fit.photo_batch)
        self._trackers = Trackers(openers if rank == 0 else {})

    def stepped(
        self, step: int, terms: Mapping[str, float], *, waited: float, optimizers: Mapping[str, Optimizer]
    ) -> None:
        """Tell of a step, on every so many of them.

        Args:
            step: how many are done.
            terms: its losses.
            waited: seconds that it waited for its samples.
            optimizers: whose learning rates are told.
        """
        if self._trackers:
            self._meter.add(terms, waited=waited)
            if step % self._config.every == 0:
                self._trackers.scalars(step, self._meter.read(optimizers))

    def reported(self, step: int, metrics: Mapping[str, float], sheet: Callable[[int], Picture | None]) -> None:
        """Tell of a checkpoint, and bring all that was told to where it is kept.

        Args:
            step: how many are done.
            metrics: what was measured there, ``val/`` before its names.
            sheet: draws a retrieval sheet of so many sketches; None where there is nothing to draw.
        """
        if self._trackers:
            measured = {curve_name(name): value for name, value in metrics.items() if name.startswith("val/")}
            self._trackers.scalars(step, measured)
            picture = sheet(self._config.sheet) if self._config.sheet else None
            if picture is not None:
                self._trackers.image(step, "val/retrieval", picture)
            self._trackers.flush()
            self._meter.restart()


def _tensorboard(store: Store, step: int) -> Tracker:
    from jobs._tracking_tensorboard import TensorBoard

    return TensorBoard(store, step=step)


def _mlflow(uri: str, name: str, settings: Config) -> Tracker:
    from jobs._tracking_mlflow import MLflow

    return MLflow(uri, name=name, settings=settings)
