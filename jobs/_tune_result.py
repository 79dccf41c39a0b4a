"""What came of a search: every trial with its curve, the best one, and the command that trains with its values."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import yaml

from jobs._train_config import TrainConfig
from jobs._tune_space import Point, at_point
from jobs._tune_trial import ORDER, read_curve
from sketchray.config import Config
from sketchray.storage import Store


class Trial(Config):
    """One trial.

    Attributes:
        trial: its number, from 0.
        overrides: what it was trained with, by dotted key.
        status: ``finished``; ``stopped`` early since others were better at that step; or ``failed``.
        curve: (step, objective) at each report.
        error: what it failed with.
    """

    trial: int
    overrides: Point
    status: Literal["finished", "stopped", "failed"]
    curve: tuple[tuple[int, float], ...]
    error: str | None = None

    @property
    def value(self) -> float | None:
        """The objective at the last report."""
        return self.curve[-1][1] if self.curve else None


class TuneResult(Config):
    """The result of a search.

    Attributes:
        tune: its name.
        metric: what the held-out classes are measured by.
        held_out: the seen classes that the trials were not trained on, and that they were measured on.
        trials: in the order in which they were proposed.
        best: number of the finished trial with the highest objective at its last step; None where none finished.
        overrides: its values, to be pasted behind ``python -m jobs.train --recipe NAME``.
        command: what trains with them on all seen classes, without a recipe: no trial's encoder is kept.
    """

    tune: str
    metric: str
    held_out: tuple[str, ...]
    trials: tuple[Trial, ...]
    best: int | None
    overrides: tuple[str, ...]
    command: str | None

    def table(self) -> str:
        """Return the trials as lines of text, the best first."""
        rows = sorted(self.trials, key=lambda t: (t.status != "finished", -(t.value or 0.0)))
        lines = [f"{'trial':>5} {'status':<8} {'step':>6} {self.metric:>15}  values"]
        for row in rows:
            step, value = (str(row.curve[-1][0]), f"{row.value:.4f}") if row.curve else ("-", "-")
            values = " ".join(assignments(row.overrides)) + (f" ({row.error})" if row.error else "")
            lines.append(f"{row.trial:>5} {row.status:<8} {step:>6} {value:>15}  {values}")
        return "\n".join([*lines, f"on {len(self.held_out)} held-out seen classes: {', '.join(self.held_out)}"])


def collect(
    tune_id: str, *, store: Store, base: TrainConfig, metric: str, held_out: list[str], original: TrainConfig
) -> TuneResult:
    """Read what the journal wrote of a search whose trials are all over.

    Args:
        tune_id: its name.
        store: its part of the store.
        base: what the trials have in common.
        metric: what they were measured by.
        held_out: the classes they were measured on.
        original: the recipe's training section, from which the final run starts.

    Raises:
        ValueError: every trial failed.
    """
    trials = tuple(_trial(n, entry, store, base) for n, entry in enumerate(json.loads(store.read(ORDER))))
    if all(trial.status == "failed" for trial in trials):
        raise ValueError(f"all {len(trials)} trials failed; the first: {trials[0].error}")
    finished = [trial for trial in trials if trial.status == "finished"]
    best = max(finished, key=lambda trial: trial.value or 0.0, default=None)
    return TuneResult(
        tune=tune_id,
        metric=metric,
        held_out=tuple(held_out),
        trials=trials,
        best=best and best.trial,
        overrides=tuple(assignments(best.overrides)) if best else (),
        command=command(original, best.overrides) if best else None,
    )


def _trial(number: int, entry: dict[str, Any], store: Store, base: TrainConfig) -> Trial:
    curve = read_curve(store, entry["id"])
    steps = at_point(base, entry["overrides"]).steps
    status = "finished" if curve and max(curve) >= steps else "failed" if entry["error"] else "stopped"
    return Trial(
        trial=number,
        overrides=entry["overrides"],
        status=status,
        curve=tuple(sorted(curve.items())),
        error=entry["error"] if status == "failed" else None,
    )


def command(original: TrainConfig, point: Point) -> str:
    """Return the shell command of the final run: trained on all seen classes, with every value that is no default."""
    config = at_point(original, point)
    final = config.model_copy(update={"data": config.data.model_copy(update={"held_out": 0}), "validate_per_class": 0})
    return shlex.join(["python", "-m", "jobs.train", *assignments(dict(_stated(final, TrainConfig())))])


def assignments(values: Mapping[str, Any]) -> list[str]:
    """Return ``key=value`` as the command line takes it: each value in YAML, on one line."""
    texts = {key: yaml.safe_dump(value, default_flow_style=True, width=10**9) for key, value in values.items()}
    return [f"{key}={text.strip().removesuffix('...').strip()}" for key, text in texts.items()]


def _stated(config: Config, default: Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, plain in config.model_dump(mode="json").items():
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from _stated(value, getattr(default, name), f"{prefix}{name}.")
        elif value != getattr(default, name):
            yield f"{prefix}{name}", plain
