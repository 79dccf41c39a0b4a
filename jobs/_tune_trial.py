"""One trial: a training run of the train job, whose reports go to Ray Tune."""

from typing import Any

import pyarrow as pa
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from jobs._cluster import quiet
from jobs._train_config import TrainConfig
from jobs._train_data import train_data
from jobs._train_fit import fit
from jobs._tune_space import at_point
from sketchray.storage import Store


def trial(proposal: dict[str, Any], *, base: TrainConfig, samples: pa.Table, store: Store, metric: str) -> None:
    """Train with the values of this point; a trial that was interrupted goes on from its last checkpoint.

    Args:
        proposal: the trial's ``number``, and as ``point`` its values by dotted key of the training configuration.
        base: all the rest of it.
        samples: the rows that may be read.
        store: the search's part of the store.
        metric: the objective's name in the reports.
    """
    quiet()
    config = at_point(base, proposal["point"])
    report = TuneReportCallback()  # type: ignore[no-untyped-call]
    name = f"trial-{proposal['number']:05d}"
    checkpoints = fit(config, train_data(samples, config), store=store, name=name, callbacks=[report])
    # A run that had trained to its end when the search was killed reports nothing on its own when it is asked again.
    last = checkpoints.last()
    assert last is not None, "a run that has ended has its last checkpoint"
    tune.report({name: last.metrics[name] for name in ("step", metric)})
