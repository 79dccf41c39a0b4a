"""What of a training run is tracked, where, and how often."""

import importlib.util

from pydantic import Field

from sketchray.config import Config, ConfigError


class TrackingConfig(Config):
    """Curves of a run. They change nothing in it, so they are no part of its name.

    Attributes:
        tensorboard: write event files into the store, under ``runs/<run>/tensorboard``.
        mlflow: a tracking server's URI, or ``sqlite:///FILE``, to log to as well; it takes the extra ``mlflow``.
        every: steps between two points of the losses, the learning rates and the speed.
        sheet: sketches on a retrieval sheet, which a run that validates draws at each checkpoint; 0 for no sheet.
    """

    tensorboard: bool = True
    mlflow: str | None = None
    every: int = Field(default=10, ge=1)
    sheet: int = Field(default=8, ge=0)

    def check(self) -> None:
        """Refuse what this machine cannot do, before anything is trained.

        Raises:
            ConfigError: MLflow is asked for and not installed.
        """
        if self.mlflow is not None and importlib.util.find_spec("mlflow") is None:
            raise ConfigError(f"tracking.mlflow={self.mlflow}: mlflow is not installed; pip install mlflow-skinny")


NO_TRACKING = TrackingConfig(tensorboard=False)
