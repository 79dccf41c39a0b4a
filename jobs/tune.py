"""Search training configurations with Ray Tune: Optuna proposes values, ASHA stops what falls behind.

    python -m jobs.tune --recipe rpkd-tiny51 trials=16 'space.method.inst={loguniform: [0.01, 1]}'

A trial is a run of the train job; the first has the recipe's own values, which the others are to beat. The objective is
measured at every checkpoint on seen classes that are held out of training (``held_out``, ``train.data.held_out``); no
unseen sample is opened. What came of it lies in the store below ``tunes/<digest>/``: ``result.json``, the trials as
``trials.md``, ``trials.parquet`` and ``trials.svg``, and ``best.yaml``, the recipe that ``jobs.train`` takes. The same
search submitted again goes on where it was killed, at whatever moment, and repeats no trial that was over; once it is
finished it answers at once, and while it runs a second one is refused.
"""

import sys
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from jobs._cli import run_verb
from jobs._cluster import connect
from jobs._driver import sole_driver
from jobs._train_data import class_names, train_data
from jobs._tune_config import TuneConfig
from jobs._tune_journal import Journal
from jobs._tune_result import FILES, RESULT, TuneResult, collect
from jobs._tune_search import search
from jobs._tune_space import read_space
from sketchray.data.reading import read_samples
from sketchray.storage import NotFound, Store, default_store


def run(config: TuneConfig) -> dict[str, Any]:
    """Search, or go on, or find the finished search; print its table and return it."""
    base, samples = config.base(read_samples(config.train.data))
    base.check()
    space = read_space(config.space, base)
    config.asha(base, space)
    tune_id = config.tune_id(base, space, samples)
    store = default_store().child(f"tunes/{tune_id}")
    result, status = find(store), "found"
    if result is None:
        train_data(samples, base)  # says in one line what would go wrong in every trial
        with sole_driver(store, f"search {tune_id}") as driver:
            result = find(store)  # if another driver has finished it meanwhile
            if result is None:
                connect(worker_logs=False)  # those of several trials at once
                journal = Journal(store, driver)
                search(config, base, space=space, samples=samples, store=store, journal=journal)
                held_out = class_names(samples.filter(pc.equal(samples["split"], "val")))
                result = collect(tune_id, trials=journal.trials(), metric=config.metric, held_out=held_out, store=store)
                driver.check()
                result.write(store, config.train)
                status = "tuned"
    forget(store)
    print(result.table(), file=sys.stderr, flush=True)
    return {"status": status, "uri": store.uri_of(RESULT)} | result.model_dump(mode="json")


def find(store: Store) -> TuneResult | None:
    """Return the result of a finished search, None where there is none or what is there cannot be read."""
    try:
        return TuneResult.model_validate_json(store.read(RESULT))
    except (NotFound, ValidationError):
        return None


def forget(store: Store) -> None:
    """Delete what only an unfinished search needs: its journal, the trials' checkpoints, Ray's own state."""
    for entry in list(store.list()):
        if entry.key not in FILES:
            store.delete(entry.key)


if __name__ == "__main__":
    sys.exit(run_verb("tune", TuneConfig, run, doc=__doc__))
