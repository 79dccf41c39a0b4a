"""The search itself: Optuna proposes, ASHA stops, Ray Tune runs; what the journal holds at the end is the result."""

import logging
import os

import pyarrow as pa
from ray import tune

from jobs._train_config import TrainConfig
from jobs._tune_config import TuneConfig
from jobs._tune_halving import Halving
from jobs._tune_journal import Journal
from jobs._tune_progress import Narrator
from jobs._tune_proposals import Proposals
from jobs._tune_space import Space
from jobs._tune_trial import trial
from sketchray.storage import Store

# Trainers of two trials on one node: the actor that waits for a trial's workers needs next to nothing.
DRIVER_CPUS = 0.01
# A trial's actor may be lost with its node; the run it drives goes on from its checkpoint.
TRIAL_FAILURES = 1

SETTINGS = {
    "TUNE_GLOBAL_CHECKPOINT_S": str(10**6),  # Ray's own state is never read again: the journal is what is kept
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # or an interrupted search would look like a finished one
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # what the narrator prints is enough
}


def search(
    config: TuneConfig, base: TrainConfig, *, space: Space, samples: pa.Table, store: Store, journal: Journal
) -> None:
    """Run all trials, or those that are left of a search that was interrupted; the journal has what came of them.

    Args:
        config: the search.
        base: what the trials have in common.
        space: what they differ in.
        samples: the rows that they may read.
        store: the search's part of the store; Ray Tune writes below ``search/``.
        journal: the search's, of its driver.
    """
    os.environ.update(SETTINGS)
    logging.getLogger("optuna").setLevel(logging.WARNING)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it misses the loggers that are off
    filesystem, path = store.arrow()
    left = config.trials - sum(known.over for known in journal.trials())
    if left <= 0:
        return
    parameters = {"base": base, "samples": samples, "store": store, "metric": config.objective}
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trial, **parameters), {"CPU": DRIVER_CPUS}),
        tune_config=tune.TuneConfig(
            num_samples=left,
            max_concurrent_trials=config.concurrent,
            search_alg=Proposals(space, base=base, seed=config.seed, journal=journal),
            scheduler=Halving(journal, metric=config.objective, **config.asha(base, space)),
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=path,
            storage_filesystem=filesystem,
            callbacks=[Narrator(journal, metric=config.objective, trials=config.trials)],
            failure_config=tune.FailureConfig(max_failures=TRIAL_FAILURES),
            verbose=0,
        ),
    )
    tuner.fit()
    running = [known.trial for known in journal.trials() if known.status == "running"]
    assert not running, f"Ray Tune ended with trials {running} under way"
