"""MLflow: one run of the experiment ``sketchray`` for each training run, found again by its name."""

import time
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric

from jobs._tracking import Picture, Tracker
from sketchray.config import Config

EXPERIMENT, TAG = "sketchray", "sketchray.run"


class MLflow(Tracker):
    """Logs to a tracking server, as it goes.

    Args:
        uri: the server's, or ``sqlite:///FILE``.
        name: the training run's; its MLflow run goes on where there is one.
        settings: logged as the artifact ``configuration.json``.
    """

    def __init__(self, uri: str, *, name: str, settings: Config) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        place = experiment.experiment_id if experiment else self._client.create_experiment(EXPERIMENT)
        known = self._client.search_runs([place], f"tags.`{TAG}` = '{name}'", max_results=1)
        if known:
            self._run = known[0].info.run_id
        else:
            self._run = self._client.create_run(place, run_name=name, tags={TAG: name}).info.run_id
            self._client.log_dict(self._run, settings.model_dump(mode="json"), "configuration.json")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        moment = int(time.time() * 1000)
        metrics = [Metric(name, value, moment, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def image(self, step: int, name: str, picture: Picture) -> None:
        self._client.log_image(self._run, picture, key=name, step=step)

    def flush(self) -> None:
        """Nothing is held back."""
