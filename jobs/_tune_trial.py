"""One trial: a training run of the train job, whose reports go to Ray Tune and, as plain JSON, into the store."""

import json
import sys
from typing import Any

import pyarrow as pa
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from jobs._cluster import quiet
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from jobs._train_fit import fit
from jobs._tune_space import Point, at_point, rounded
from sketchray.storage import NotFound, Store

ORDER = "trials/order.json"


def trial(point: Point, *, base: TrainConfig, samples: pa.Table, store: Store, metric: str) -> None:
    """Train with the values of this point; a trial that was interrupted goes on from its last checkpoint.

    Args:
        point: values by dotted key of the training configuration, as drawn.
        base: all the rest of it.
        samples: the rows that may be read.
        store: the search's part of the store.
        metric: the objective's name in the reports.
    """
    quiet()
    config = at_point(base, rounded(point))
    name = tune.get_context().get_trial_id()
    report = TuneReportCallback()  # type: ignore[no-untyped-call]
    checkpoints = fit(config, train_data(samples, config), store=store, name=name, callbacks=[report])
    # A run that had trained to its end when the search was killed reports nothing on its own when it is asked again.
    last = checkpoints.last()
    assert last is not None, "a run that has ended has its last checkpoint"
    tune.report({name: last.metrics[name] for name in ("step", metric)})


class Journal(tune.Callback):
    """Writes what the trials report into the store. It keeps nothing itself, so a killed search loses no report.

    Args:
        store: the search's part of the store; ``trials/<id>.json`` are the curves, ``trials/order.json`` comes last.
        metric: the objective's name in the reports.
    """

    def __init__(self, store: Store, metric: str) -> None:
        self._store, self._metric = store, metric

    def on_trial_result(
        self,
        iteration: int,  # noqa: ARG002 - Ray's signature
        trials: list[Any],
        trial: Any,
        result: dict[str, Any],
        **_: Any,
    ) -> None:
        """Add a point to the trial's curve."""
        if self._metric not in result:
            return
        known = read_curve(self._store, trial.trial_id)
        curve = known | {int(result["step"]): float(result[self._metric])}
        if curve == known:  # a trial says its last point twice
            return
        self._store.write(f"trials/{trial.trial_id}.json", json.dumps(sorted(curve.items())).encode())
        point = ", ".join(f"{key}={value}" for key, value in rounded(trial.config).items())
        text = (
            f"trial {trials.index(trial)}: step {result['step']}, {self._metric} {result[self._metric]:.4f} ({point})"
        )
        print(text, file=sys.stderr, flush=True)

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        """Write the list of trials, in their order, with what was wrong with those that failed."""
        order = [
            {"id": trial.trial_id, "overrides": rounded(trial.config), "error": _message(trial.get_error())}
            for trial in trials
        ]
        self._store.write(ORDER, json.dumps(order).encode())


def read_curve(store: Store, trial_id: str) -> dict[int, float]:
    """Return a trial's objective by step, as far as it is known."""
    try:
        return {int(step): float(value) for step, value in json.loads(store.read(f"trials/{trial_id}.json"))}
    except NotFound:
        return {}


def _message(error: Exception | None) -> str | None:
    lines = str(error).strip().splitlines() if error is not None else []
    return lines[-1].strip() if lines else None
