"""What came of a search: its trials, the best one, and everything that is written down of them."""

import shlex
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from jobs._train_config import TrainConfig
from jobs._tune_journal import Trial
from jobs._tune_plot import search_plot
from jobs._tune_recipe import best_recipe
from sketchray.config import Config
from sketchray.storage import Store

RECIPE, TABLE, PARQUET, PLOT, RESULT = "best.yaml", "trials.md", "trials.parquet", "trials.svg", "result.json"
FILES = (RECIPE, TABLE, PARQUET, PLOT, RESULT)  # the last one written is what makes the search a finished one
CURVE = pa.list_(pa.struct([("step", pa.int64()), ("value", pa.float64())]))


class TuneResult(Config):
    """The result of a search.

    Attributes:
        tune: its name.
        metric: what the held-out classes are measured by.
        held_out: the seen classes that the trials were not trained on, and that they were measured on.
        trials: in the order in which they were proposed; trial 0 has the recipe's own values.
        best: number of the finished trial with the highest objective at its last step; None where none finished.
        recipe: the URI of the recipe that trains with its values on all seen classes; no trial's encoder is kept.
        command: what does that.
    """

    tune: str
    metric: str
    held_out: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: int | None
    recipe: str | None
    command: str | None

    @property
    def ranked(self) -> list[Trial]:
        """The trials, the best first; those that did not finish come behind."""
        return sorted(self.trials, key=lambda trial: (trial.status != "finished", -(trial.value or 0.0)))

    def table(self) -> str:
        """Return the trials as a table in Markdown, the best first."""
        lines = [f"| trial | status | step | {self.metric} | values |", "|---|---|---|---|---|"]
        for row in self.ranked:
            step, value = (str(row.curve[-1][0]), f"{row.value:.4f}") if row.curve else ("-", "-")
            values = " ".join(assignments(row.overrides)) + (f" ({row.error})" if row.error else "")
            name = f"{row.trial} (the recipe)" if row.trial == 0 else f"{row.trial}"
            lines.append(f"| {name} | {row.status} | {step} | {value} | {values.replace('|', '/')} |")
        held_out = f"On {len(self.held_out)} held-out seen classes: {', '.join(self.held_out)}."
        return "\n".join([*lines, "", held_out])

    def rows(self) -> pa.Table:
        """Return a row a trial: number, status, steps done, objective, error, curve, and a column for each key."""
        keys = list(dict.fromkeys(key for trial in self.trials for key in trial.overrides))
        columns: dict[str, Any] = {
            "trial": pa.array([trial.trial for trial in self.trials], pa.int64()),
            "status": pa.array([trial.status for trial in self.trials], pa.string()),
            "step": pa.array([trial.curve[-1][0] if trial.curve else 0 for trial in self.trials], pa.int64()),
            self.metric: pa.array([trial.value for trial in self.trials], pa.float64()),
            "error": pa.array([trial.error for trial in self.trials], pa.string()),
            "curve": pa.array([[{"step": s, "value": v} for s, v in trial.curve] for trial in self.trials], CURVE),
        }
        return pa.table(columns | {key: _column([trial.overrides.get(key) for trial in self.trials]) for key in keys})

    def write(self, store: Store, original: TrainConfig) -> None:
        """Write the recipe, the table, the Parquet file and the plot, and last of all this result.

        Args:
            store: the search's part of the store.
            original: the training section that the search started from.
        """
        if self.best is not None:
            says = [f"The best of {len(self.trials)} trials: {store.uri_of(RESULT)}", *self._compared()]
            store.write(RECIPE, best_recipe(original, self.trials[self.best].overrides, says=says).encode())
        store.write(TABLE, self.table().encode())
        sink = pa.BufferOutputStream()
        pq.write_table(self.rows(), sink)
        store.write(PARQUET, sink.getvalue().to_pybytes())
        store.write(PLOT, search_plot(self.trials, best=self.best, metric=self.metric).encode())
        store.write(RESULT, self.model_dump_json(indent=2).encode())

    def _compared(self) -> list[str]:
        assert self.best is not None
        shown = [(f"trial {self.best}", self.trials[self.best])]
        shown += [("the recipe it started from", self.trials[0])] if self.trials[0].status == "finished" else []
        values = "; ".join(f"{name} {trial.value:.4f}" for name, trial in shown)
        return [f"{self.metric} on {len(self.held_out)} held-out seen classes: {values}."]


def collect(tune_id: str, *, trials: list[Trial], metric: str, held_out: list[str], store: Store) -> TuneResult:
    """Sum up a search whose trials are all over.

    Raises:
        ValueError: every trial failed.
    """
    if all(trial.status == "failed" for trial in trials):
        raise ValueError(f"all {len(trials)} trials failed; the first: {trials[0].error}")
    finished = [trial for trial in trials if trial.status == "finished"]
    best = max(finished, key=lambda trial: trial.value or 0.0, default=None)
    recipe = store.uri_of(RECIPE) if best else None
    return TuneResult(
        tune=tune_id,
        metric=metric,
        held_out=tuple(held_out),
        trials=tuple(trials),
        best=best.trial if best else None,
        recipe=recipe,
        command=shlex.join(["python", "-m", "jobs.train", "--recipe", recipe]) if recipe else None,
    )


def assignments(values: Mapping[str, Any]) -> list[str]:
    """Return ``key=value`` as the command line takes it: each value in YAML, on one line."""
    texts = {key: yaml.safe_dump(value, default_flow_style=True, width=10**9) for key, value in values.items()}
    return [f"{key}={text.strip().removesuffix('...').strip()}" for key, text in texts.items()]


def _column(values: list[Any]) -> pa.Array:
    """Return a column of one key's values, which a choice may mix: then as text."""
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    mixed = len(kinds) > 1
    return pa.array([None if value is None else str(value) if mixed else value for value in values])
