"""The search itself: Optuna proposes, ASHA stops, Ray Tune runs; what it leaves lies in the store."""

import logging
import os

import pyarrow as pa
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from jobs._train_config import TrainConfig
from jobs._tune_config import TuneConfig
from jobs._tune_space import Space
from jobs._tune_trial import Journal, trial
from sketchray.storage import Store

# Trainers of two trials on one node: the actor that waits for a trial's workers needs next to nothing.
DRIVER_CPUS = 0.01
# A trial's actor may be lost with its node; the run it drives goes on from its checkpoint.
TRIAL_FAILURES = 1

SETTINGS = {
    "TUNE_GLOBAL_CHECKPOINT_S": "2",  # how far Ray's own state may lag behind when the search is killed
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal is what is kept
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # or an interrupted search would look like a finished one
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # what the journal prints is enough
}


def search(config: TuneConfig, base: TrainConfig, *, space: Space, samples: pa.Table, store: Store) -> None:
    """Run all trials, or those that are left of a search that was interrupted; `Journal` has written what came of it.

    Ray's own state lies under ``search/`` until the search is over. It is Ray's format, pickles among it: whoever can
    write to the store can run code where a search is taken up again.

    Args:
        config: the search.
        base: what the trials have in common.
        space: what they differ in.
        samples: the rows that they may read.
        store: the search's part of the store.
    """
    os.environ.update(SETTINGS)
    logging.getLogger("optuna").setLevel(logging.WARNING)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it misses the loggers that are off
    filesystem, path = store.arrow()
    parameters = {"base": base, "samples": samples, "store": store, "metric": config.objective}
    trainable = tune.with_resources(tune.with_parameters(trial, **parameters), {"CPU": DRIVER_CPUS})
    distributions = {key: domain.sampler() for key, domain in space.items()}
    where = f"{path}/search"
    if tune.Tuner.can_restore(where, storage_filesystem=filesystem):
        tuner = tune.Tuner.restore(
            where, trainable, param_space=distributions, restart_errored=True, storage_filesystem=filesystem
        )
    else:
        tuner = tune.Tuner(
            trainable,
            param_space=distributions,
            tune_config=tune.TuneConfig(
                metric=config.objective,
                mode="max",
                num_samples=config.trials,
                max_concurrent_trials=config.concurrent,
                search_alg=OptunaSearch(seed=config.seed),
                # A trial at its last step ends by itself: its workers leave in order.
                scheduler=ASHAScheduler(**config.asha(base, space), stop_last_trials=False),
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=path,
                storage_filesystem=filesystem,
                callbacks=[Journal(store, config.objective)],
                failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
                verbose=0,
            ),
        )
    tuner.fit()
